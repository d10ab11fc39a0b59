/** Files of an encoder among dropped or picked files: alone, or in a folder. */
/** A file with its path: `name/config.json`. */
export interface FileWithPath {
  path: string;
  file: File;
}

export interface EncoderFolder {
  /** Its name. */
  name: string;
  /** All files: the crate chooses, and reports what is missing. */
  files: FileWithPath[];
}

/** Files of an encoder's folder; weights in other formats are refused by the crate, by name. */
const PARTS = /^(config\.json|tokenizer\.json|vocab\.txt)$|\.(safetensors|safetensors\.index\.json|bin|h5|msgpack|onnx|gguf)$/;

/** Maximum number of files read from dropped folders. */
const MOST = 500;

/** Whether the files are an encoder. */
export function isEncoderFolder(given: readonly FileWithPath[]): boolean {
  return given.some(({ file }) => PARTS.test(file.name));
}

/** The files, and the name of the topmost folder with encoder files: sentence encoders have another `config.json` in a subfolder. */
export function encoderFolder(given: readonly FileWithPath[]): EncoderFolder {
  const depth = ({ path }: FileWithPath) => path.split("/").length;
  const [first] = given.filter(({ file }) => PARTS.test(file.name)).sort((a, b) => depth(a) - depth(b));
  return { name: first?.path.split("/").slice(0, -1).join("/") || "own files", files: [...given] };
}

/** As an input element gives them. */
export function picked(files: Iterable<File>): FileWithPath[] {
  return [...files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

/** As they were dropped, folders opened. To be called while the event is handled: afterwards there is nothing to read. */
export function dropped(transfer: DataTransfer): Promise<FileWithPath[]> {
  const entries = [...transfer.items].map((item) => (item.kind === "file" ? item.webkitGetAsEntry() : null));
  if (!entries.some((entry) => entry?.isDirectory)) return Promise.resolve(picked(transfer.files));
  return read(entries.filter((entry) => entry !== null));
}

async function read(entries: FileSystemEntry[]): Promise<FileWithPath[]> {
  const found: FileWithPath[] = [];
  const left = [...entries];
  for (let entry = left.shift(); entry && found.length < MOST; entry = left.shift()) {
    if (entry.isFile) {
      const one = entry as FileSystemFileEntry;
      const file = await new Promise<File>((give, fail) => one.file(give, fail));
      found.push({ path: one.fullPath.replace(/^\//, ""), file });
    } else {
      const reader = (entry as FileSystemDirectoryEntry).createReader();
      // A reader gives some at a time, and none at the end.
      for (;;) {
        const some = await new Promise<FileSystemEntry[]>((give, fail) => reader.readEntries(give, fail));
        if (some.length === 0) break;
        left.push(...some);
      }
    }
  }
  return found;
}
