/** Messages of the crate have names and values in backticks, which the page shows as code. */

/** A part of a message. */
export interface Span {
  text: string;
  code: boolean;
}

/** The parts of a message, in order. A backtick without a partner is a character of the text. */
export function marked(message: string): Span[] {
  const spans = message.split(/`([^`]+)`/).map((text, index) => ({ text, code: index % 2 === 1 }));
  return spans.filter(({ text }) => text !== "");
}
