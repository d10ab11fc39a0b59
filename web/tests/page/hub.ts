/** A small encoder, and a model hub that has it. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { BrowserContext } from "@playwright/test";

export const TINY = join(import.meta.dirname, "../../../tests/golden/tiny");
export const NAMES = ["config.json", "tokenizer.json", "model.safetensors"] as const;
export const COMMIT = "c".repeat(40);

export const files = () => Object.fromEntries(NAMES.map((name) => [name, readFileSync(join(TINY, name))])) as Record<string, Buffer>;

/** A hub with one encoder, `somebody/tiny`; says what was asked of it. */
export async function hub(context: BrowserContext, contents: Record<string, Buffer>): Promise<string[]> {
  const asked: string[] = [];
  const siblings = Object.entries(contents).map(([rfilename, bytes]) => {
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const blobId = createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
    const lfs = rfilename.endsWith("safetensors") ? { sha256, size: bytes.length, pointerSize: 130 } : undefined;
    return { rfilename, size: bytes.length, blobId, lfs };
  });
  const headers = { "access-control-allow-origin": "*" };
  await context.route("https://huggingface.co/**", (route) => {
    const { pathname } = new URL(route.request().url());
    asked.push(pathname);
    if (pathname === "/api/models/somebody/tiny/revision/main")
      return route.fulfill({ headers, json: { sha: COMMIT, siblings } });
    const bytes = contents[pathname.replace(`/somebody/tiny/resolve/${COMMIT}/`, "")];
    return bytes ? route.fulfill({ headers, body: bytes }) : route.fulfill({ headers, status: 404, body: "" });
  });
  return asked;
}
