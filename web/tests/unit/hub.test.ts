import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { encoderFolder, isEncoderFolder } from "../../src/lib/folder";
import { lookUp, wantedOf } from "../../src/lib/hub";

describe("what a person types", () => {
  it.each([
    ["BAAI/bge-small-en-v1.5", "BAAI/bge-small-en-v1.5", "main"],
    ["  owner/name@v2.0 ", "owner/name", "v2.0"],
    ["owner/name@refs/pr/3", "owner/name", "refs/pr/3"],
    ["https://huggingface.co/owner/some_name", "owner/some_name", "main"],
    ["https://huggingface.co/owner/name/", "owner/name", "main"],
    ["https://huggingface.co/owner/name/tree/abc123", "owner/name", "abc123"],
    ["https://huggingface.co/owner/name/blob/main/config.json", "owner/name", "main"],
  ])("%s is an encoder", (text, id, revision) => {
    expect(wantedOf(text)).toEqual({ id, revision });
  });

  it.each(["", "name", "../name", "owner/..", "owner/name/more", "owner/na me", "https://example.org/owner/name", "a/b?c", "<b>/c"])(
    "%s is none",
    (text) => {
      expect(() => wantedOf(text)).toThrow(expect.objectContaining({ code: "model" }));
    },
  );
});

describe("the hub", () => {
  const sha = "a".repeat(40);
  const good = {
    sha,
    siblings: [
      { rfilename: "onnx/config.json", size: 1, blobId: "d".repeat(40) },
      { rfilename: "config.json", size: 700, blobId: "b".repeat(40) },
      { rfilename: "tokenizer.json", size: 700_000, blobId: "c".repeat(40) },
      {
        rfilename: "model.safetensors",
        size: 133_000_000,
        blobId: "e".repeat(40),
        lfs: { sha256: "f".repeat(64), size: 133_000_000, pointerSize: 134 },
      },
    ],
  };
  let server: Server;
  let hub: string;
  let asked: string[] = [];
  let answer: { status: number; body: string };
  beforeAll(async () => {
    server = createServer((request, response) => {
      asked.push(request.url ?? "");
      response.writeHead(answer.status, { "content-type": "application/json" }).end(answer.body);
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    hub = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => void server.close());
  beforeEach(() => {
    asked = [];
    answer = { status: 200, body: JSON.stringify(good) };
  });
  const look = (revision = "main") => lookUp({ id: "owner/name", revision }, hub);

  it("says the commit, the sizes and what the files hash to", async () => {
    expect(await look("refs/pr/3")).toEqual({
      id: "owner/name",
      revision: sha,
      files: [
        { name: "config.json", size: 700, git: "b".repeat(40) },
        { name: "tokenizer.json", size: 700_000, git: "c".repeat(40) },
        { name: "model.safetensors", size: 133_000_000, sha256: "f".repeat(64) },
      ],
    });
    expect(asked).toEqual(["/api/models/owner/name/revision/refs%2Fpr%2F3?blobs=true"]);
  });

  it.each([
    ["has no such encoder", 404, "{}", "model", "no public encoder owner/name"],
    ["wants an account", 401, "{}", "model", "no public encoder owner/name"],
    ["is down", 503, "", "io", "status 503"],
    ["answers with a page", 200, "<!doctype html>", "io", "not a list of files"],
    ["names no commit", 200, JSON.stringify({ ...good, sha: "../../etc" }), "io", "not a list of files"],
    ["has other files", 200, JSON.stringify({ sha, siblings: good.siblings.slice(0, 3) }), "model", "has no model.safetensors"],
    [
      "has a huge file",
      200,
      JSON.stringify({ sha, siblings: [...good.siblings.slice(1, 3), { rfilename: "model.safetensors", size: 9e9 }] }),
      "model",
      "model.safetensors has 9000.0 MB",
    ],
    [
      "gives no checksum",
      200,
      JSON.stringify({ sha, siblings: [{ rfilename: "config.json", size: 7 }, ...good.siblings.slice(2)] }),
      "io",
      "no checksum for config.json",
    ],
  ])("that %s is a problem with a name", async (_, status, body, code, message) => {
    answer = { status, body };
    await expect(look()).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  });
});

describe("a folder", () => {
  const given = (...paths: string[]) =>
    paths.map((path) => ({ path, file: new File(["x"], path.slice(path.lastIndexOf("/") + 1)) }));

  it("is named by the files that lie highest", () => {
    const files = given("bge/1_Pooling/config.json", "bge/config.json", "bge/model.safetensors", "bge/README.md", "bge/tokenizer.json");
    expect(isEncoderFolder(files)).toBe(true);
    const folder = encoderFolder(files);
    expect(folder.name).toBe("bge");
    expect(folder.files).toEqual(files);
    expect(encoderFolder(given("config.json")).name).toBe("own files");
    for (const name of ["vocab.txt", "pytorch_model.bin", "model-00001-of-00002.safetensors", "model.safetensors.index.json"])
      expect(isEncoderFolder(given(`bge/${name}`))).toBe(true);
    for (const name of ["rows.csv", "vocab.csv", "rows.txt", "data.json"]) expect(isEncoderFolder(given(`data/${name}`))).toBe(false);
  });
});
