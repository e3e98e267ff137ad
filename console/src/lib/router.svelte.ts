// Places are in the fragment, so that each has an address that can be kept: #/cases?kind=REFUSED, #/case/42.
export interface Place {
  view: string;
  id: string;
  query: URLSearchParams;
}

function read(): Place {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [view = "", id = ""] = path.split("/");
  return { view, id: decodeURIComponent(id), query: new URLSearchParams(query) };
}

export const at: { place: Place } = $state({ place: read() });
addEventListener("hashchange", () => (at.place = read()));

export function to(view: string, id = "", query: Record<string, string> = {}) {
  const q = new URLSearchParams(Object.entries(query).filter(([, v]) => v !== "")).toString();
  return `#/${view}${id === "" ? "" : "/" + encodeURIComponent(id)}${q ? "?" + q : ""}`;
}

// replace changes the filters of a place without a step in the history.
export function replace(view: string, id = "", query: Record<string, string> = {}) {
  history.replaceState(null, "", to(view, id, query));
  at.place = read();
}
