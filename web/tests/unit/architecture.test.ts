/** Which file imports which: there are no circles. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";

const SOURCE = join(import.meta.dirname, "../../src");

/** File by path -> text. */
type Files = Record<string, string>;

/** Groups of files that reach each other by imports, each in alphabetical order. */
function circles(files: Files): string[] {
  const imports = (path: string) =>
    [...files[path]!.matchAll(/^(?:import|export)\b[^;]*?\bfrom\s+"(\.[^"]+)"/gms)]
      .map((found) => normalize(join(dirname(path), found[1]!)))
      .flatMap((target) => [target, `${target}.ts`, `${target}/index.ts`].filter((file) => file in files));
  const reached = new Map<string, Set<string>>();
  for (const start of Object.keys(files)) {
    const seen = new Set<string>();
    const left = imports(start);
    for (let file = left.pop(); file !== undefined; file = left.pop())
      if (!seen.has(file)) {
        seen.add(file);
        left.push(...imports(file));
      }
    reached.set(start, seen);
  }
  const mutual = (a: string, b: string) => reached.get(a)!.has(b) && reached.get(b)!.has(a);
  const groups = Object.keys(files).map((file) => Object.keys(files).filter((other) => mutual(file, other)).sort().join(", "));
  return [...new Set(groups.filter((group) => group !== ""))].sort();
}

test("imports have an order", () => {
  const paths = readdirSync(SOURCE, { recursive: true, encoding: "utf8" }).filter((path) => /\.(ts|svelte)$/.test(path));
  const files = Object.fromEntries(paths.map((path) => [path, readFileSync(join(SOURCE, path), "utf8")]));
  expect(paths.length).toBeGreaterThan(50);
  expect(circles(files)).toEqual([]);
});

test("planted circles are found", () => {
  expect(circles({ "a.ts": 'import { b } from "./b";', "b.ts": 'import type { A } from "./a";' })).toEqual(["a.ts, b.ts"]);
  expect(circles({ "a.ts": 'export { b } from "./x/b";', "x/b.ts": 'import {\n  c,\n} from "../c.svelte";', "c.svelte": 'import a from "./a";' }))
    .toEqual(["a.ts, c.svelte, x/b.ts"]);
  expect(circles({ "a.ts": 'import { b } from "./b";', "b.ts": 'import { c } from "./c";', "c.ts": "" })).toEqual([]);
});
