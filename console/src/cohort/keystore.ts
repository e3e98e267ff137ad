// Keys of encrypted questions in this browser. A lattice key cannot be a WebCrypto key, so it cannot be made non-extractable: it is stored sealed with AES-GCM under
// a WebCrypto key that is (a copy of the disk does not open it; scripts of this origin, while they run, can use it). With each key goes a journal of seeds.
const name = "jali-cohort", version = 1;

interface Kept {
  at: string;
  id: string;
  expires: number;
  iv: Uint8Array<ArrayBuffer>;
  sealed: ArrayBuffer;
}

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const r = indexedDB.open(name, version);
    r.onupgradeneeded = () => {
      r.result.createObjectStore("wrap");
      r.result.createObjectStore("keys", { keyPath: "at" });
      r.result.createObjectStore("seeds");
    };
    r.onsuccess = () => resolve(r.result);
    r.onerror = () => reject(r.error);
  });
}

function run<T>(db: IDBDatabase, store: string, mode: IDBTransactionMode, f: (s: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const tx = db.transaction(store, mode, { durability: "strict" }), r = f(tx.objectStore(store));
    // What is written counts when the transaction is complete.
    tx.oncomplete = () => resolve(r.result);
    tx.onerror = tx.onabort = () => reject(r.error ?? tx.error ?? new Error("not stored"));
  });
}

async function wrapping(db: IDBDatabase): Promise<CryptoKey> {
  const have = await run(db, "wrap", "readonly", (s) => s.get("key"));
  if (have) return have;
  const key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
  await run(db, "wrap", "readwrite", (s) => s.put(key, "key"));
  return key;
}

// put seals a key. at names who it is for: agreement and parameter set.
export async function put(at: string, id: string, expires: number, secret: Uint8Array<ArrayBuffer>) {
  const db = await open();
  try {
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData: new TextEncoder().encode(at) }, await wrapping(db), secret);
    await run(db, "keys", "readwrite", (s) => s.put({ at, id, expires, iv, sealed } satisfies Kept));
  } finally {
    secret.fill(0);
    db.close();
  }
}

export async function get(at: string): Promise<Uint8Array<ArrayBuffer> | null> {
  const db = await open();
  try {
    const kept: Kept | undefined = await run(db, "keys", "readonly", (s) => s.get(at));
    if (!kept || kept.expires * 1000 < Date.now() + 60_000) return null;
    return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv: kept.iv, additionalData: new TextEncoder().encode(at) }, await wrapping(db), kept.sealed));
  } finally {
    db.close();
  }
}

export async function forget(at: string) {
  const db = await open();
  try {
    await run(db, "keys", "readwrite", (s) => s.delete(at));
  } finally {
    db.close();
  }
}

// remember writes a seed to the journal and fails if it is there: two uploads under one seed would show the difference of two selections.
export async function remember(seed: Uint8Array) {
  const db = await open();
  try {
    const key = [...seed].map((b) => b.toString(16).padStart(2, "0")).join("");
    await run(db, "seeds", "readwrite", (s) => s.add(Date.now(), key));
  } finally {
    db.close();
  }
}
