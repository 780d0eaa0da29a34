// Notes what a person at the page would see: rows as they are painted, frames, long tasks, layout shifts.
// `flowtape bench page` runs it before the page's own scripts and asks `pageWatch` from outside.
(() => {
  // Rows noted until they are taken; more are not noted, and count as never painted.
  const MOST_ROWS = 200_000;

  const painted = new Map();
  const fresh = [];
  let firstRow = null;
  let frames = 0;
  let longestFrame = 0;
  let lastFrame = null;
  let since = performance.now();
  let tasks = [];
  let shifts = [];

  const note = (element) => {
    const id = element.getAttribute("row-id");
    if (id === null || painted.has(id) || painted.size >= MOST_ROWS) return;
    painted.set(id, null);
    fresh.push(id);
  };
  new MutationObserver((changes) => {
    for (const { type, target, addedNodes } of changes) {
      if (type === "attributes") note(target);
      for (const node of addedNodes) {
        if (node.nodeType !== Node.ELEMENT_NODE) continue;
        note(node);
        for (const row of node.querySelectorAll("[row-id]")) note(row);
      }
    }
  }).observe(document, { subtree: true, childList: true, attributeFilter: ["row-id"] });

  // A message that is posted within a frame arrives once that frame is painted.
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    const now = Date.now();
    if (fresh.length) firstRow ??= now;
    for (const id of fresh) painted.set(id, now);
    fresh.length = 0;
  };
  const frame = (now) => {
    frames += 1;
    if (lastFrame !== null) longestFrame = Math.max(longestFrame, now - lastFrame);
    lastFrame = now;
    port2.postMessage(null);
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);

  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) tasks.push(task.duration);
  }).observe({ type: "longtask", buffered: true });
  new PerformanceObserver((list) => {
    for (const shift of list.getEntries()) if (!shift.hadRecentInput) shifts.push(shift.value);
  }).observe({ type: "layout-shift", buffered: true });

  globalThis.pageWatch = {
    // Milliseconds from the start of the navigation until the first row was painted; null before.
    firstRow: () => firstRow && firstRow - performance.timeOrigin,
    // What was noted since the last time, and begin anew. Times are unix ms, durations ms.
    take: () => {
      const now = performance.now();
      const taken = {
        painted: [...painted].filter(([, at]) => at !== null),
        frames,
        longest_frame: longestFrame,
        seconds: (now - since) / 1000,
        tasks,
        shifts,
      };
      painted.clear();
      fresh.length = 0;
      frames = 0;
      longestFrame = 0;
      lastFrame = null;
      since = now;
      tasks = [];
      shifts = [];
      return taken;
    },
  };
})();
