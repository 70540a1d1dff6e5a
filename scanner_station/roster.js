// The nursery's parents by number, so that a scan is greeted while nobody can be asked: names alone, kept in this
// browser until somebody logs out.
import { ask } from "./server.js";
import { current } from "./session.js";
import { done, within } from "./store.js";

let names = new Map();
let known = "";

export function nameOf(parentId) {
  return names.get(parentId) || "";
}

export async function load(nurseryId) {
  const kept = await within(["roster"], "readonly", (of) => done(of("roster").get(nurseryId)));
  names = new Map(kept ? kept.names : []);
  known = kept ? kept.version : "";
}

// When the service says that it has changed.
export async function refresh(nurseryId, version) {
  const session = current();
  if (!session || session.nurseryId !== nurseryId || known === version) return;
  const answer = await ask("GET", "/api/entries/station/roster", { token: session.token });
  if (answer.kind !== "ok") return;
  const listed = answer.body.parents.map(({ id, name }) => [String(id), name]);
  const kept = { nurseryId, version: answer.body.version, names: listed };
  await within(["roster"], "readwrite", (of) => done(of("roster").put(kept)));
  names = new Map(listed);
  known = kept.version;
}
