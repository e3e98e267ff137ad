// Who is signed in. The session itself is a cookie that this code cannot read.
import { onSessionEnd } from "./api";

export interface Person {
  name: string;
  org: string;
  role: "researcher" | "regulator" | "custodian";
  how: "certificate" | "link";
  until: string;
}

export const session: { person: Person | null; problem: string } = $state({ person: null, problem: "" });

const path = "/console/session";

async function load() {
  const r = await fetch(path, { credentials: "same-origin" });
  session.person = r.ok ? await r.json() : null;
}

// begin redeems the one-time code of a link, if there is one, and takes it out of the address before anything else happens.
export async function begin() {
  onSessionEnd(() => (session.person = null));
  const code = /^#code=([A-Za-z0-9_-]{43})$/.exec(location.hash)?.[1];
  if (code) {
    history.replaceState(null, "", location.pathname);
    const r = await fetch(path, {
      method: "POST", credentials: "same-origin", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ code }),
    });
    if (!r.ok) session.problem = r.status === 403 ? "link" : "server";
  }
  await load();
}

export async function signOut() {
  await fetch(path, { method: "DELETE", credentials: "same-origin" });
  session.person = null;
}
