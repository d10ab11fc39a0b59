/** The single-file web page: reads its own parts, and classifies texts and files. */
import * as Comlink from "comlink";
import { percent, sentence } from "../lib/format";
import { marked } from "../lib/marked";
import type { Problem } from "../lib/problem";
import { save } from "../lib/save";
import { unpacked } from "./packed";
import type { Api, Parts } from "./worker";

/** Milliseconds after the last key. */
const DELAY = 200;
/** Classes that are shown. */
const FEW = 10;

const element = <E extends HTMLElement>(id: string) => document.getElementById(id) as E;
const [state, problem, label, about, progress] = ["state", "problem", "label", "about", "progress"].map((id) => element(id)) as [
  HTMLElement,
  HTMLElement,
  HTMLElement,
  HTMLElement,
  HTMLElement,
];
const text = element<HTMLTextAreaElement>("text");
const classes = element<HTMLUListElement>("classes");
const file = element<HTMLInputElement>("file");

/** What a part holds; it is needed once. */
function part(name: string): string {
  const found = element(`part-${name}`);
  const content = found.textContent;
  found.remove();
  return content;
}

function report(thrown: unknown): void {
  const { message, hint } = thrown as Partial<Problem>;
  const said = [message ?? String(thrown), hint ?? ""].map(sentence).join(" ");
  problem.replaceChildren(
    ...marked(said.trim()).map(({ text, code }) => (code ? Object.assign(document.createElement("code"), { textContent: text }) : text)),
  );
}

async function open(): Promise<Comlink.Remote<Api>> {
  const script = new Blob([await unpacked(part("worker"))], { type: "text/javascript" });
  const worker = new Worker(URL.createObjectURL(script), { name: "softprompt" });
  const failed = new Promise<never>((_, reject) => {
    worker.addEventListener("error", (event) => reject(new Error(event.message || "The worker did not start.")));
  });
  const api = Comlink.wrap<Api>(worker);
  const names: (keyof Parts)[] = ["wasm", "config", "tokenizer", "weights", "adapter", "encoder"];
  const parts = Object.fromEntries(names.map((name) => [name, part(name)])) as unknown as Parts;
  const { info, device } = await Promise.race([api.open(parts, "auto"), failed]);
  const accuracy = info.metrics ? ` Held-out accuracy: ${percent(info.metrics.accuracy)}.` : "";
  about.textContent =
    `${info.labels.length} classes, encoder ${info.encoder.name} in half precision.${accuracy} It always predicts one of its ` +
    `classes, from the first ${info.max_tokens} tokens of a text.`;
  state.textContent = `Ready, on ${device}.`;
  text.disabled = file.disabled = false;
  return api;
}

async function answer(api: Comlink.Remote<Api>, asked: string): Promise<void> {
  const [found] = await api.classify([asked]);
  if (!found || text.value !== asked) return;
  problem.textContent = "";
  label.textContent = found.label;
  classes.replaceChildren(
    ...found.probabilities.slice(0, FEW).map(({ label, probability }) => {
      const item = document.createElement("li");
      const bar = Object.assign(document.createElement("progress"), { max: 1, value: probability, ariaLabel: label });
      const [name, share] = [document.createElement("span"), document.createElement("span")];
      name.textContent = label;
      share.textContent = percent(probability);
      item.append(name, share, bar);
      return item;
    }),
  );
}

async function labelFile(api: Comlink.Remote<Api>, given: File): Promise<void> {
  problem.textContent = "";
  file.disabled = true;
  const onProgress = Comlink.proxy(({ progress: { done, rows } }: { progress: { done: number; rows: number } }) => {
    progress.textContent = `${done} of ${rows} rows`;
  });
  try {
    const done = await api.labelFile(given, given.name, onProgress);
    if (!done) return;
    const { judged, right, rows } = done.progress;
    const accuracy = judged ? ` Accuracy: ${percent(right / judged)} on ${judged} labelled rows.` : "";
    progress.textContent = `${rows} rows classified and saved.${accuracy}`;
    const dot = given.name.lastIndexOf(".");
    const name = `${dot > 0 ? given.name.slice(0, dot) : given.name}-labelled.${done.extension}`;
    save(name, "text/csv;charset=utf-8", done.bytes as Uint8Array<ArrayBuffer>);
  } catch (thrown) {
    progress.textContent = "";
    report(thrown);
  } finally {
    file.disabled = false;
    file.value = "";
  }
}

element("ask").addEventListener("submit", (event) => event.preventDefault());
open().then(
  (api) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    text.addEventListener("input", () => {
      clearTimeout(timer);
      const asked = text.value;
      if (asked.trim()) timer = setTimeout(() => void answer(api, asked).catch(report), DELAY);
    });
    file.addEventListener("change", () => file.files?.[0] && void labelFile(api, file.files[0]));
  },
  (thrown: unknown) => {
    state.textContent = "The classifier could not start.";
    report(thrown);
  },
);
