// The question that a Block Kit `confirm` object asks before an action is sent.
import { createContext, useCallback, useContext, useEffect, useRef, useState } from "react";
import { Text } from "./text.jsx";

const ConfirmContext = createContext(null);

/** `ask(confirmObject)` resolves to whether the person agreed. */
export const useConfirm = () => useContext(ConfirmContext);

export function ConfirmProvider({ children }) {
  const [question, setQuestion] = useState(null);
  const ask = useCallback((about) => new Promise((resolve) => setQuestion({ about, resolve })), []);
  const answer = (agreed) => {
    question.resolve(agreed);
    setQuestion(null);
  };
  return (
    <ConfirmContext.Provider value={ask}>
      {children}
      {question && <ConfirmDialog about={question.about} onAnswer={answer} />}
    </ConfirmContext.Provider>
  );
}

function ConfirmDialog({ about, onAnswer }) {
  const dialog = useRef(null);
  useEffect(() => dialog.current.showModal(), []);
  const plain = (text, otherwise) => text?.text ?? otherwise;
  return (
    <dialog
      ref={dialog}
      className="dialog confirm"
      data-testid="confirm"
      aria-labelledby="confirm-title"
      onCancel={(event) => {
        event.preventDefault();
        onAnswer(false);
      }}
      onClick={(event) => event.target === dialog.current && onAnswer(false)}
    >
      <div className="dialog-inner">
        <header><h2 id="confirm-title">{plain(about.title, "Are you sure?")}</h2></header>
        <div className="dialog-body"><Text of={about.text} /></div>
        <footer>
          <button type="button" className="btn" data-testid="confirm-cancel" onClick={() => onAnswer(false)} autoFocus>{plain(about.deny, "Cancel")}</button>
          <button type="button" className={about.style === "danger" ? "btn danger solid" : "btn primary"} data-testid="confirm-ok" onClick={() => onAnswer(true)}>
            {plain(about.confirm, "Yes")}
          </button>
        </footer>
      </div>
    </dialog>
  );
}
