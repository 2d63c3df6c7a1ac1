// Interactive Block Kit elements. The library draws these too, but reports no clicks, so they are drawn here.
import { emojify } from "node-emoji";
import { useEffect, useId, useRef, useState } from "react";
import { useConfirm } from "./confirm.jsx";
import { Dots } from "./icons.jsx";
import { useOrigin, usePage } from "./page.js";
import { act } from "./sandbox.js";
import { Text } from "./text.jsx";

/** Which key of a Slack state value holds the choice, for each kind of element. */
const CHOICE = {
  static_select: "selected_option",
  external_select: "selected_option",
  radio_buttons: "selected_option",
  overflow: "selected_option",
  checkboxes: "selected_options",
  multi_static_select: "selected_options",
  datepicker: "selected_date",
  timepicker: "selected_time",
  datetimepicker: "selected_date_time",
  users_select: "selected_user",
  multi_users_select: "selected_users",
  channels_select: "selected_channel",
  conversations_select: "selected_conversation",
};
const INITIAL = {
  selected_option: "initial_option",
  selected_options: "initial_options",
  selected_date: "initial_date",
  selected_time: "initial_time",
  selected_date_time: "initial_date_time",
  selected_user: "initial_user",
  selected_users: "initial_users",
  selected_channel: "initial_channel",
  selected_conversation: "initial_conversation",
};

/** An element's state value before anyone touched it, in the shape that Slack submits. */
export function initialValue(element) {
  const key = CHOICE[element.type] ?? "value";
  const initial = key === "value" ? element.initial_value : element[INITIAL[key]];
  const none = key.endsWith("s") ? [] : null;
  return { type: element.type, [key]: initial ?? none };
}

const choiceOf = (value) => value[CHOICE[value.type] ?? "value"];

export function isEmpty(value) {
  const choice = choiceOf(value);
  return choice === null || choice === undefined || choice === "" || (Array.isArray(choice) && choice.length === 0);
}

/** What an action reports as selected: an option's value, a date, an id; a list where several can be chosen. */
function selectedOf(value) {
  const choice = choiceOf(value);
  const plain = (one) => (one && typeof one === "object" ? one.value : one);
  return Array.isArray(choice) ? choice.map(plain) : plain(choice);
}

const label = (text) => emojify(text?.text ?? "");
const PENDING_MILLIS = 10_000;

/** Sends an action of this block; waits from the click until the message (or view) changes. */
function useAction(block, element) {
  const origin = useOrigin();
  const page = usePage();
  const ask = useConfirm();
  const [pending, setPending] = useState(null);
  const source = origin.message ?? origin.view;
  useEffect(() => {
    if (pending === null) return undefined;
    if (pending !== source) {
      setPending(null);
      return undefined;
    }
    const timer = setTimeout(() => setPending(null), PENDING_MILLIS);
    return () => clearTimeout(timer);
  }, [pending, source]);

  const send = async (answer, confirm = element.confirm) => {
    if (confirm && !(await ask(confirm))) return false;
    setPending(source);
    const place = origin.message ? { message_ts: origin.message.ts } : { view_id: origin.viewId };
    const result = await act({ user: page.me, ...place, block_id: block.block_id ?? "", action_id: element.action_id ?? "", ...answer });
    if (!result.ok) {
      setPending(null);
      page.complain(`That action failed: ${result.error ?? "unknown error"}`);
    }
    return result.ok;
  };
  return { send, busy: pending !== null && pending === source };
}

/** An element in a message, an accessory or an actions block: a choice is sent at once. */
export function ActionElement({ element, block }) {
  if (element.type === "button" || element.type === "workflow_button") return <Button element={element} block={block} />;
  if (element.type === "overflow") return <Overflow element={element} block={block} />;
  if (element.type === "image") return <img className="accessory-image" src={element.image_url} alt={element.alt_text ?? ""} />;
  return <Chooser element={element} block={block} />;
}

function Button({ element, block }) {
  const { send, busy } = useAction(block, element);
  const style = element.style === "primary" ? "btn primary" : element.style === "danger" ? "btn danger" : "btn";
  const click = async () => {
    const agreed = await send({ value: element.value });
    if (agreed && /^https?:/i.test(element.url ?? "")) window.open(element.url, "_blank", "noopener");
  };
  return (
    <button type="button" className={style} data-testid="button" data-action-id={element.action_id} aria-label={element.accessibility_label} aria-busy={busy} disabled={busy} onClick={click}>
      {busy && <span className="spinner" aria-hidden="true" />}
      {label(element.text)}
    </button>
  );
}

function Overflow({ element, block }) {
  const { send, busy } = useAction(block, element);
  const [open, setOpen] = useState(false);
  const root = useRef(null);
  useEffect(() => {
    if (!open) return undefined;
    root.current.querySelector("[role=menuitem]")?.focus();
    const outside = (event) => !root.current.contains(event.target) && setOpen(false);
    document.addEventListener("pointerdown", outside);
    return () => document.removeEventListener("pointerdown", outside);
  }, [open]);
  const keys = (event) => {
    const items = [...root.current.querySelectorAll("[role=menuitem]")];
    const at = items.indexOf(document.activeElement);
    if (event.key === "ArrowDown") items[(at + 1) % items.length]?.focus();
    else if (event.key === "ArrowUp") items[(at - 1 + items.length) % items.length]?.focus();
    else if (event.key === "Escape") {
      setOpen(false);
      root.current.querySelector("button").focus();
    } else return;
    event.preventDefault();
  };
  const choose = async (option) => {
    setOpen(false);
    const sent = await send({ value: option.value, selected: option.value });
    if (sent && /^https?:/i.test(option.url ?? "")) window.open(option.url, "_blank", "noopener");
  };
  return (
    <span className="overflow" ref={root}>
      <button type="button" className="btn icon" data-testid="button" data-action-id={element.action_id} aria-haspopup="menu" aria-expanded={open} aria-label={element.accessibility_label ?? "More actions"} disabled={busy} onClick={() => setOpen(!open)}>
        <Dots />
      </button>
      {open && (
        <span className="menu" role="menu" onKeyDown={keys}>
          {element.options.map((option) => (
            <button type="button" role="menuitem" key={option.value} onClick={() => choose(option)}>{label(option.text)}</button>
          ))}
        </span>
      )}
    </span>
  );
}

function Chooser({ element, block }) {
  const { send, busy } = useAction(block, element);
  const [value, setValue] = useState(() => initialValue(element));
  const set = async (next) => {
    const before = value;
    setValue(next);
    if (!(await send({ selected: selectedOf(next) }))) setValue(before);
  };
  return <Field element={element} value={value} set={set} disabled={busy} name={element.placeholder?.text ?? element.action_id} />;
}

/** A form control for any element that holds a value; `value` and `set` speak Slack's state shape. */
export function Field({ element, value, set, disabled, id, describedBy, invalid, name }) {
  const page = usePage();
  const group = useId();
  const key = CHOICE[element.type] ?? "value";
  const put = (choice) => set({ type: element.type, [key]: choice });
  const shared = {
    id,
    disabled,
    "aria-describedby": describedBy,
    "aria-invalid": invalid || undefined,
    "aria-label": id ? undefined : name,
    "data-testid": "field",
    "data-action-id": element.action_id,
  };
  const placeholder = element.placeholder?.text ?? "";
  switch (element.type) {
    case "static_select":
    case "external_select": {
      const groups = element.option_groups ?? [{ options: element.options ?? [] }];
      const all = groups.flatMap(({ options }) => options);
      const pick = (event) => put(all.find((option) => option.value === event.target.value) ?? null);
      return (
        <select {...shared} className="input select" value={value[key]?.value ?? ""} onChange={pick}>
          <option value="" disabled={!element.optional}>{placeholder || "Choose an option"}</option>
          {groups.map(({ label: title, options }, index) => {
            const items = options.map((option) => <option key={option.value} value={option.value}>{label(option.text)}</option>);
            return title ? <optgroup key={index} label={label(title)}>{items}</optgroup> : items;
          })}
        </select>
      );
    }
    case "users_select":
      return (
        <select {...shared} className="input select" value={value[key] ?? ""} onChange={(event) => put(event.target.value || null)}>
          <option value="">{placeholder || "Choose a person"}</option>
          {page.people.map((person) => <option key={person.id} value={person.id}>{person.name}</option>)}
        </select>
      );
    case "channels_select":
    case "conversations_select":
      return (
        <select {...shared} className="input select" value={value[key] ?? ""} onChange={(event) => put(event.target.value || null)}>
          <option value="">{placeholder || "Choose a channel"}</option>
          {page.channels.map((channel) => <option key={channel.id} value={channel.id}>#{channel.name}</option>)}
        </select>
      );
    case "radio_buttons":
    case "checkboxes":
    case "multi_static_select":
    case "multi_users_select": {
      const single = element.type === "radio_buttons";
      const people = element.type === "multi_users_select";
      const options = people
        ? page.people.map((person) => ({ value: person.id, text: { type: "plain_text", text: person.name } }))
        : (element.options ?? element.option_groups?.flatMap((one) => one.options) ?? []);
      const chosen = single ? [value[key]?.value] : value[key].map((one) => (people ? one : one.value));
      const pick = (option, on) => {
        if (single) return put(option);
        const values = on ? [...chosen, option.value] : chosen.filter((one) => one !== option.value);
        return put(people ? values : options.filter((one) => values.includes(one.value)));
      };
      return (
        <div {...shared} className="choices" role={single ? "radiogroup" : "group"}>
          {options.map((option) => (
            <label className="choice" key={option.value}>
              <input type={single ? "radio" : "checkbox"} name={group} disabled={disabled} checked={chosen.includes(option.value)} onChange={(event) => pick(option, event.target.checked)} />
              <span>
                <Text of={option.text} />
                {option.description && <span className="hint"><Text of={option.description} /></span>}
              </span>
            </label>
          ))}
        </div>
      );
    }
    case "datepicker":
    case "timepicker":
      return <input {...shared} className="input short" type={element.type === "datepicker" ? "date" : "time"} value={value[key] ?? ""} onChange={(event) => put(event.target.value || null)} />;
    case "datetimepicker": {
      const local = value[key] ? toLocalInput(value[key] * 1000) : "";
      const pick = (event) => put(event.target.value ? Math.floor(new Date(event.target.value).getTime() / 1000) : null);
      return <input {...shared} className="input short" type="datetime-local" value={local} onChange={pick} />;
    }
    case "plain_text_input":
    case "email_text_input":
    case "url_text_input":
    case "number_input": {
      const text = { ...shared, className: "input", placeholder, maxLength: element.max_length, value: value.value ?? "", onChange: (event) => put(event.target.value || null), autoFocus: element.focus_on_load };
      if (element.multiline) return <textarea {...text} rows={4} />;
      const kinds = { email_text_input: "email", url_text_input: "url", number_input: "number" };
      return <input {...text} type={kinds[element.type] ?? "text"} />;
    }
    default:
      return <p className="hint">This page cannot draw “{element.type}”.</p>;
  }
}

function toLocalInput(millis) {
  const shifted = new Date(millis - new Date(millis).getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 16);
}
