// A time-stamp token (RFC 3161) as far as a page reads it: the time, and what was stamped. Its signature and the authority's certificate are not checked here.
import { b64url, sha256 } from "../../../audit/wasm/verify.js";
import type { Stamp } from "./figures";

export interface Token {
  bytes: Uint8Array<ArrayBuffer>;
  time?: Date;
  // names: the SHA-256 it stamps is that of this record's checkpoint.
  names: boolean;
}

const find = (all: Uint8Array, part: Uint8Array, from = 0) => {
  for (let i = from; i + part.length <= all.length; i++) if (part.every((b, k) => all[i + k] === b)) return i;
  return -1;
};
// id-sha256 with its algorithm parameters absent or NULL, then the 32 bytes: MessageImprint.
const algorithm = Uint8Array.of(0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01);
const content = Uint8Array.of(0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04); // id-ct-TSTInfo

// readToken finds MessageImprint and genTime of TSTInfo in the DER of a token in base64. Malformed: neither.
export async function readToken(base64: string, s: Stamp, origin: string): Promise<Token> {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  if (s.token !== b64url(await sha256(bytes))) throw new Error("the token is not the one that the entry names");
  const info = find(bytes, content), imprint = info < 0 ? -1 : find(bytes, algorithm, info);
  if (imprint < 0) return { bytes, names: false };
  let at = imprint + algorithm.length;
  if (bytes[at] === 0x05 && bytes[at + 1] === 0) at += 2;
  if (bytes[at] !== 0x04 || bytes[at + 1] !== 32) return { bytes, names: false };
  const stamped = bytes.slice(at + 2, at + 34);
  at += 34;
  // serialNumber, then genTime.
  if (bytes[at] === 0x02 && bytes[at + 1] < 0x80) at += 2 + bytes[at + 1];
  const written = bytes[at] === 0x18 ? new TextDecoder().decode(bytes.slice(at + 2, at + 2 + bytes[at + 1])) : "";
  const m = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\.\d{1,9})?Z$/.exec(written);
  const own = s.root ? await sha256(new TextEncoder().encode(`${origin}\n${s.size}\n${s.root}\n`)) : null;
  return {
    bytes, time: m ? new Date(`${m[1]}-${m[2]}-${m[3]}T${m[4]}:${m[5]}:${m[6]}Z`) : undefined,
    names: own !== null && own.every((b, i) => b === stamped[i]),
  };
}
