// Input blocks and the modal that holds them.
import { useEffect, useId, useRef, useState } from "react";
import { BlockList } from "./blocks.jsx";
import { Field, initialValue, isEmpty } from "./elements.jsx";
import { Close } from "./icons.jsx";
import { OriginContext, usePage } from "./page.js";
import { closeView, submitView } from "./sandbox.js";
import { Text } from "./text.jsx";

export function InputBlock({ block, form }) {
  const id = useId();
  const { element } = block;
  const value = form?.valueOf(block) ?? initialValue(element);
  const error = form?.errors[block.block_id];
  const described = [error && `${id}-error`, block.hint && `${id}-hint`].filter(Boolean).join(" ") || undefined;
  return (
    <div className="block-input" data-block-id={block.block_id}>
      <label htmlFor={id}>
        {block.label.text}
        {block.optional && <span className="optional"> (optional)</span>}
      </label>
      <Field element={{ ...element, optional: block.optional }} id={id} value={value} set={(next) => form?.set(block, next)} invalid={Boolean(error)} describedBy={described} />
      {error && <p className="field-error" id={`${id}-error`} role="alert">{error}</p>}
      {block.hint && <div className="hint" id={`${id}-hint`}><Text of={block.hint} /></div>}
    </div>
  );
}

/** The modal of a Slack view. */
export function Modal({ id, view }) {
  const page = usePage();
  const dialog = useRef(null);
  const [values, setValues] = useState({});
  const [errors, setErrors] = useState({});
  const [failure, setFailure] = useState(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => dialog.current.showModal(), []);
  // A view that the bot updated may be submitted again.
  useEffect(() => setBusy(false), [view]);

  const inputs = view.blocks.filter((block) => block.type === "input");
  const keyOf = (block) => `${block.block_id}/${block.element.action_id}`;
  const form = {
    errors,
    valueOf: (block) => values[keyOf(block)] ?? initialValue(block.element),
    set: (block, value) => {
      setValues((before) => ({ ...before, [keyOf(block)]: value }));
      setErrors(({ [block.block_id]: _, ...others }) => others);
    },
  };
  const submit = async (event) => {
    event.preventDefault();
    const missing = inputs.filter((block) => !block.optional && isEmpty(form.valueOf(block)));
    setErrors(Object.fromEntries(missing.map((block) => [block.block_id, "Please complete this required field."])));
    if (missing.length > 0) return;
    const state = {};
    for (const block of inputs) {
      state[block.block_id] = { ...state[block.block_id], [block.element.action_id]: form.valueOf(block) };
    }
    setBusy(true);
    setFailure(null);
    const answer = await submitView({ user: page.me, view_id: id, values: state });
    setBusy(false);
    if (answer.errors) setErrors(answer.errors);
    else if (!answer.ok) setFailure(answer.error ?? "We had some trouble connecting. Try again?");
  };
  const close = () => closeView({ user: page.me, view_id: id });
  return (
    <dialog
      ref={dialog}
      className="dialog modal"
      data-testid="modal"
      data-view-id={id}
      aria-labelledby={`${id}-title`}
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
    >
      <form className="dialog-inner" onSubmit={submit} noValidate>
        <header>
          <h2 id={`${id}-title`}>{view.title?.text}</h2>
          <button type="button" className="btn icon quiet" aria-label="Close" onClick={close}><Close /></button>
        </header>
        <div className="dialog-body">
          {failure && <p className="failure" role="alert">{failure}</p>}
          <OriginContext.Provider value={{ view, viewId: id }}>
            <BlockList blocks={view.blocks} form={form} />
          </OriginContext.Provider>
        </div>
        <footer>
          <button type="button" className="btn" data-testid="modal-close" onClick={close}>{view.close?.text ?? "Close"}</button>
          {(view.submit || inputs.length > 0) && (
            <button type="submit" className="btn primary" data-testid="modal-submit" disabled={busy} aria-busy={busy}>{view.submit?.text ?? "Submit"}</button>
          )}
        </footer>
      </form>
    </dialog>
  );
}
