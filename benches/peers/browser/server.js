/** A static server of the bench's files on this machine, cross-origin isolated: libraries with threads of their own get them. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize, sep } from "node:path";
import { pipeline } from "node:stream";

const MEDIA = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/** @param {Record<string, string>} folders The folder or file that the first part of a path stands for; `""` for the rest. */
export async function serve(folders, isolated) {
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, "http://localhost").pathname)).split(sep).slice(1);
    const folder = Object.hasOwn(folders, path[0]) ? folders[path.shift() || ""] : folders[""];
    const file = join(folder, ...path);
    const found = await stat(file).catch(() => undefined);
    if (!found?.isFile()) return void response.writeHead(404).end();
    const isolation = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
    response.writeHead(200, {
      "Content-Type": MEDIA[extname(file)] ?? "application/octet-stream",
      "Content-Length": found.size,
      ...(isolated ? isolation : {}),
    });
    pipeline(createReadStream(file), response, () => {});
  });
  await new Promise((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  return { address: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}
