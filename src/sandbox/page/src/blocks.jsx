// Block Kit blocks: layout and interaction here, text and the rest by the rendering library.
import { memo } from "react";
import { ActionElement } from "./elements.jsx";
import { InputBlock } from "./form.jsx";
import { toPlainRichText, toRichText } from "./mrkdwn.js";
import { LibraryBlocks, Mrkdwn, RichText, Text } from "./text.jsx";

/** `form` is given inside modals: the values of input blocks, and what is wrong with them. */
export const BlockList = memo(function BlockList({ blocks, form }) {
  return (
    <div className="blocks">
      {blocks.map((block, index) => (
        <Block key={block.block_id ?? index} block={block} form={form} />
      ))}
    </div>
  );
});

const Block = memo(function Block({ block, form }) {
  switch (block.type) {
    case "section":
      return <Section block={block} />;
    case "header":
      return <h3 className="block-header"><Text of={block.text} /></h3>;
    case "context":
      return <Context block={block} />;
    case "actions":
      return (
        <div className="block-actions">
          {block.elements.map((element, index) => <ActionElement key={element.action_id ?? index} element={element} block={block} />)}
        </div>
      );
    case "input":
      return <InputBlock block={block} form={form} />;
    case "divider":
      return <hr className="block-divider" />;
    case "table":
      return <div className="block-table"><Table block={block} /></div>;
    case "rich_text":
      return <div className="block-rich"><RichText elements={withQuoteBars(block.elements)} /></div>;
    case "image":
    case "markdown":
    case "plan":
    case "task_card":
    case "alert":
    case "card":
    case "carousel":
    case "container":
    case "data_visualization":
    case "video":
      return <div className="block-library"><LibraryBlocks blocks={[block]} /></div>;
    default:
      return <p className="block-unknown">This page cannot draw a “{block.type}” block.</p>;
  }
});

/** Quotes always have their bar, which the library draws only when it is asked to. */
const withQuoteBars = (elements) => elements.map((element) => (element.type === "rich_text_quote" ? { ...element, border: 1 } : element));

function Section({ block }) {
  return (
    <div className="block-section">
      <div className="section-body">
        {block.text && <div className="section-text"><Text of={block.text} /></div>}
        {block.fields && (
          <div className="section-fields">
            {block.fields.map((field, index) => <div className="section-field" key={index}><Text of={field} /></div>)}
          </div>
        )}
      </div>
      {block.accessory && <div className="section-accessory"><ActionElement element={block.accessory} block={block} /></div>}
    </div>
  );
}

/** An image stays on one line with the text that follows it. */
function Context({ block }) {
  const items = [];
  for (const element of block.elements) {
    const last = items.at(-1);
    if (element.type !== "image" && last?.image && !last.text) last.text = element;
    else items.push(element.type === "image" ? { image: element } : { text: element });
  }
  return (
    <div className="block-context">
      {items.map(({ image, text }, index) => (
        <div className="context-item" key={index}>
          {image && <img src={image.image_url} alt={image.alt_text ?? ""} />}
          <Text of={text} />
        </div>
      ))}
    </div>
  );
}

/** The library draws the table; cells become rich text first, so that nothing in a raw_text cell is taken for markup. */
function Table({ block }) {
  const cell = (one) => {
    if (one.type === "rich_text") return one;
    const text = one.text ?? "";
    return { type: "rich_text", elements: one.type === "mrkdwn" ? toRichText(text) : toPlainRichText(String(text), false) };
  };
  return <LibraryBlocks blocks={[{ ...block, rows: block.rows.map((row) => row.map(cell)) }]} />;
}

/** A message's body: its blocks, or its text where it has none. */
export function MessageBody({ message }) {
  if (message.blocks?.length) return <BlockList blocks={message.blocks} />;
  return message.text ? <Mrkdwn text={message.text} /> : null;
}
