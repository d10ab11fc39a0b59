/** Workbooks (.xlsx) as small as they can be, for tests. */
import { crc32 } from "node:zlib";

export interface Sheet {
  name: string;
  rows: string[][];
  /** Row numbers that are hidden, as by a filter. */
  hiddenRows?: number[];
  hidden?: boolean;
}

const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");

export function workbook(sheets: Sheet[]): Buffer {
  const main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
  const relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
  const packages = "http://schemas.openxmlformats.org/package/2006/relationships";
  const list = sheets.map(
    ({ name, hidden }, index) =>
      `<sheet name="${escaped(name)}" sheetId="${index + 1}" state="${hidden ? "hidden" : "visible"}" r:id="rId${index + 1}"/>`,
  );
  const links = sheets.map(
    (_, index) => `<Relationship Id="rId${index + 1}" Type="${relations}/worksheet" Target="worksheets/sheet${index + 1}.xml"/>`,
  );
  const content = ({ rows, hiddenRows = [] }: Sheet) =>
    rows
      .map((cells, index) => {
        const row = index + 1;
        const filled = cells.map((cell, column) =>
          cell === "" ? "" : `<c r="${String.fromCharCode(65 + column)}${row}" t="inlineStr"><is><t>${escaped(cell)}</t></is></c>`,
        );
        return `<row r="${row}"${hiddenRows.includes(row) ? ' hidden="1"' : ""}>${filled.join("")}</row>`;
      })
      .join("");
  return stored({
    "_rels/.rels": `<Relationships xmlns="${packages}"><Relationship Id="rId1" Type="${relations}/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
    "xl/workbook.xml": `<workbook xmlns="${main}" xmlns:r="${relations}"><sheets>${list.join("")}</sheets></workbook>`,
    "xl/_rels/workbook.xml.rels": `<Relationships xmlns="${packages}">${links.join("")}</Relationships>`,
    ...Object.fromEntries(
      sheets.map((sheet, index) => [
        `xl/worksheets/sheet${index + 1}.xml`,
        `<worksheet xmlns="${main}"><sheetData>${content(sheet)}</sheetData></worksheet>`,
      ]),
    ),
  });
}

/** A zip without compression. */
function stored(files: Record<string, string>): Buffer {
  const [locals, entries]: [Buffer[], Buffer[]] = [[], []];
  let at = 0;
  for (const [name, text] of Object.entries(files)) {
    const bytes = Buffer.from(text);
    const head = Buffer.alloc(30);
    head.write("PK\x03\x04", "latin1");
    head.writeUInt16LE(20, 4);
    head.writeUInt32LE(crc32(bytes), 14);
    head.writeUInt32LE(bytes.length, 18);
    head.writeUInt32LE(bytes.length, 22);
    head.writeUInt16LE(name.length, 26);
    const entry = Buffer.alloc(46);
    entry.write("PK\x01\x02", "latin1");
    entry.writeUInt16LE(20, 4);
    head.copy(entry, 6, 4, 30);
    entry.writeUInt32LE(at, 42);
    locals.push(head, Buffer.from(name), bytes);
    entries.push(entry, Buffer.from(name));
    at += head.length + name.length + bytes.length;
  }
  const directory = Buffer.concat(entries);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(entries.length / 2, 8);
  end.writeUInt16LE(entries.length / 2, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...locals, directory, end]);
}
