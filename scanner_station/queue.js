// Scans from the moment they are made until the service has taken or refused them. Each change is one transaction.
import { done, within } from "./store.js";

const DOUBLE_SCAN_MS = 10000;
const RECENT_KEPT = 30;
const SHOWN = 10;

// `scan`: {clientEventId, nurseryId, parentId, parentName, entryType, scannedAt}. Gives "kept"; "double" when the same
// parent was scanned the same way just now; or "full" when `cap` scans are waiting. Only "kept" keeps it. A scan that
// is not `shown` yet enters the list of recent ones once it is known whose it is.
export function keep(scan, cap, shown) {
  return within(["queue", "recent"], "readwrite", async (of) => {
    const recent = await done(of("recent").index("nurseryId").getAll(scan.nurseryId));
    if (recent.some((earlier) => repeats(scan, earlier))) {
      of("recent").add(Object.assign(row(scan), { status: "recorded" }));
      return "double";
    }
    if ((await done(of("queue").index("nurseryId").count(scan.nurseryId))) >= cap) return "full";
    of("queue").add(Object.assign({ attempts: 0 }, scan));
    of("recent").add(Object.assign(row(scan), { status: shown ? "waiting" : "asking" }));
    recent.slice(0, -RECENT_KEPT).forEach((old) => of("recent").delete(old.seq));
    return "kept";
  });
}

function repeats(scan, earlier) {
  const apart = Math.abs(Date.parse(scan.scannedAt) - Date.parse(earlier.scannedAt));
  const same = earlier.parentId === scan.parentId && earlier.entryType === scan.entryType;
  return same && apart < DOUBLE_SCAN_MS && earlier.status !== "recorded";
}

function row(scan) {
  const { clientEventId, nurseryId, parentId, parentName, entryType, scannedAt } = scan;
  return { clientEventId, nurseryId, parentId, parentName, entryType, scannedAt };
}

export function waiting(nurseryId, most) {
  return within(["queue"], "readonly", (of) => done(of("queue").index("nurseryId").getAll(nurseryId, most)));
}

// What became of scans: `result` is "done" (with the service's `log`), "attention" (with a `reason`) or "gone".
export function settle(outcomes) {
  return within(["queue", "attention", "recent"], "readwrite", async (of) => {
    const rows = await done(of("recent").getAll());
    for (const { record, result, log, reason } of outcomes) {
      of("queue").delete(record.seq);
      if (result === "attention") of("attention").put(aside(record, reason));
      const shown = rows.find((known) => known.clientEventId === record.clientEventId && known.status !== "recorded");
      if (!shown) continue;
      if (result === "gone") of("recent").delete(shown.seq);
      else of("recent").put(Object.assign(shown, became(result, log)));
    }
  });
}

function became(result, log) {
  if (result === "attention") return { status: "attention" };
  return { status: log.alreadyRecorded ? "recorded" : "done", parentName: log.parentName };
}

function aside(record, reason) {
  const kept = Object.assign({}, record, { reason });
  delete kept.seq;
  return kept;
}

// The service failed over this scan itself. Gives how often it has by now.
export function countFailure(record) {
  const counted = Object.assign({}, record, { attempts: record.attempts + 1 });
  return within(["queue"], "readwrite", async (of) => {
    await done(of("queue").put(counted));
    return counted.attempts;
  });
}

// Nobody could say whose scan this is: it is in the list all the same.
export function show(clientEventId) {
  return within(["recent"], "readwrite", async (of) => {
    const rows = await done(of("recent").getAll());
    const asking = rows.find((known) => known.clientEventId === clientEventId && known.status === "asking");
    if (asking) of("recent").put(Object.assign(asking, { status: "waiting" }));
  });
}

export function attention(nurseryId) {
  return within(["attention"], "readonly", async (of) => {
    const found = await done(of("attention").index("nurseryId").getAll(nurseryId));
    return found.sort((one, other) => (one.scannedAt < other.scannedAt ? -1 : 1));
  });
}

// Staff want it sent once more: with the name and the time it has had all along.
export function sendAgain(clientEventId) {
  return within(["queue", "attention", "recent"], "readwrite", async (of) => {
    const found = await done(of("attention").get(clientEventId));
    if (!found) return;
    of("attention").delete(clientEventId);
    of("queue").add(Object.assign(row(found), { attempts: 0 }));
    const rows = await done(of("recent").getAll());
    const shown = rows.find((known) => known.clientEventId === clientEventId);
    if (shown) of("recent").put(Object.assign(shown, { status: "waiting" }));
  });
}

export function remove(clientEventId) {
  return within(["attention"], "readwrite", (of) => done(of("attention").delete(clientEventId)));
}

// The newest ten, newest first.
export function recent(nurseryId) {
  return within(["recent"], "readonly", async (of) => {
    const rows = await done(of("recent").index("nurseryId").getAll(nurseryId));
    return rows.filter((known) => known.status !== "asking").slice(-SHOWN).reverse();
  });
}

// Names leave with the one who logged out; scans on their way stay.
export function forgetNames() {
  return within(["recent", "roster"], "readwrite", async (of) => {
    of("recent").clear();
    await done(of("roster").clear());
  });
}

// {waiting, oldest, attention, others}: of this nursery, and how much of others waits in this browser.
export function depth(nurseryId) {
  return within(["queue", "attention"], "readonly", async (of) => {
    const own = of("queue").index("nurseryId");
    const [oldest] = await done(own.getAll(nurseryId, 1));
    const count = await done(own.count(nurseryId));
    return {
      waiting: count,
      oldest: oldest ? oldest.scannedAt : null,
      attention: await done(of("attention").index("nurseryId").count(nurseryId)),
      others: (await done(of("queue").count())) - count,
    };
  });
}
