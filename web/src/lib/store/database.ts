/**
 * The browser's database. IndexedDB and not the file system of the origin (OPFS), because a transaction over several stores is
 * what makes a checkpoint and its curves consistent even if the power fails; files of their own would need a
 * journal for that. The data are small, except for the table, which is read and written as a whole.
 */
import { openDB, type DBSchema, type IDBPDatabase } from "idb";
import type { RunView } from "../run-view";
import type { SavedAnswers } from "./answers";
import type { RunRecord } from "./record";

export interface Schema extends DBSchema {
  /** What a list shows, by the run's id. */
  runs: { key: string; value: RunRecord };
  /** The view of a run, by its id. */
  views: { key: string; value: RunView };
  /** The latest checkpoint of a run, by its id. It and the run's view are written in one transaction. */
  checkpoints: { key: string; value: Uint8Array };
  /** Zips, by the run's id. */
  adapters: { key: string; value: Uint8Array };
  /** The predictions of a result, by the run's id; written with its adapter in one transaction. */
  answers: { key: string; value: SavedAnswers };
  /** Data files, by their SHA-256: runs of the same data share one. */
  data: { key: string; value: Blob };
}

export type Database = IDBPDatabase<Schema>;

export const STORES = ["runs", "views", "checkpoints", "adapters", "answers", "data"] as const;

export const NAME = "softprompt";
/** 2: answers. */
const VERSION = 2;

/** @throws what the browser throws if it allows no storage, or if a newer version of the page has changed the database */
export async function openDatabase(name = NAME): Promise<Database> {
  const database = await openDB<Schema>(name, VERSION, {
    upgrade(database) {
      for (const store of STORES) if (!database.objectStoreNames.contains(store)) database.createObjectStore(store);
    },
    // A newer page in another tab waits for this one.
    blocking(_, __, event) {
      (event.target as IDBDatabase).close();
    },
  });
  return database;
}
