// Who is signed in. The session itself is a cookie that this code cannot read.
import { onSessionEnd } from "./api";

export interface Person {
  name: string;
  org: string;
  role: "researcher" | "regulator" | "custodian";
  how: "certificate" | "link" | "provider";
  until: string;
}

// provider is the name of the identity provider where people can sign in, once nobody is.
export const session: { person: Person | null; problem: string; provider: string } = $state({ person: null, problem: "", provider: "" });

const path = "/console/session";

async function load() {
  const r = await fetch(path, { credentials: "same-origin" });
  session.person = r.ok ? await r.json() : null;
  if (!session.person) session.provider = (await r.json().catch(() => ({}))).provider ?? "";
}

// begin redeems the one-time code of a link, if there is one, and takes it out of the address before anything else happens; or hears what became of a sign-in at
// the identity provider, and goes back to the place where it began.
export async function begin() {
  onSessionEnd(() => {
    session.person = null;
    void load();
  });
  const code = /^#code=([A-Za-z0-9_-]{43})$/.exec(location.hash)?.[1];
  const [, problem, place = ""] = /^#problem=([a-z]+)(\/.*)?$/.exec(location.hash) ?? [];
  if (code) {
    history.replaceState(null, "", location.pathname);
    const r = await fetch(path, {
      method: "POST", credentials: "same-origin", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ code }),
    });
    if (!r.ok) session.problem = r.status === 403 ? "link" : "server";
  } else if (problem) {
    history.replaceState(null, "", location.pathname + (place && "#" + place));
    dispatchEvent(new HashChangeEvent("hashchange"));
    session.problem = problem;
  }
  await load();
}

// signOut ends the session, and goes on to the identity provider where that has one of its own.
export async function signOut() {
  const r = await fetch(path, { method: "DELETE", credentials: "same-origin" });
  session.person = null;
  const next = r.status === 200 ? (await r.json()).continue : "";
  if (next) location.assign(next);
  else await load();
}
