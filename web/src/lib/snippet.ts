/** A JavaScript example that uses an adapter with the package. A test of the package runs it unchanged. */
import { DEFAULT_ENCODER } from "./encoder-files";

/** @param encoder the adapter's, by its name; one of a folder has none that the hub knows */
export function snippet(encoder = DEFAULT_ENCODER.id): string {
  const own = encoder.includes("/");
  const model = encoder === DEFAULT_ENCODER.id ? "" : own ? JSON.stringify(encoder) : "{ files }";
  const files = own ? "" : "// files: the config.json, tokenizer.json and model.safetensors of the encoder\n";
  return `import { load } from "softprompt";

${files}const softprompt = await load(${model});
const zip = await (await fetch("softprompt-adapter.zip")).arrayBuffer();
await softprompt.import(new Uint8Array(zip));
const [answer] = await softprompt.classify(["a text of yours"]);
console.log(answer.label, answer.probabilities[0].probability);`;
}
