// The page's picture of the hub: read once, then kept by the live stream.

const PAGE = 1000;
const TRUST_RESUME_MS = 20_000;

export class Live extends EventTarget {
  constructor(types) {
    super();
    this.types = types;
    this.entities = new Map();
    this.stream = null;
    this.context = "";
    this.offlineSince = null;
  }

  // Reads all entities of the types and follows their changes. Throws when the hub does not answer well.
  async start(status) {
    this.context = status.district.context;
    this.entities.clear();
    for (const entity of await this.read(this.types)) this.entities.set(entity.id, entity);
    this.dispatchEvent(new Event("all"));
    this.follow(status.journal.position);
  }

  async read(types) {
    const found = [];
    for (let offset = 0; ; offset += PAGE) {
      const query = new URLSearchParams({ type: types.join(","), options: "concise", limit: PAGE, offset });
      const headers = { Accept: "application/json" };
      if (this.context) headers.Link = `<${this.context}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"`;
      const page = await fetchJson(`/ngsi-ld/v1/entities?${query}`, headers);
      found.push(...page);
      if (page.length < PAGE) return found;
    }
  }

  follow(position) {
    this.stream?.close();
    this.stream = new EventSource(`/api/stream?${new URLSearchParams({ type: this.types.join(","), after: position })}`);
    this.stream.addEventListener("message", (event) => this.change(JSON.parse(event.data)));
    this.stream.addEventListener("ready", () => {
      const outageMs = this.offlineSince ? Date.now() - this.offlineSince : 0;
      this.mark(null);
      if (outageMs > TRUST_RESUME_MS) this.dispatchEvent(new Event("stale"));
    });
    this.stream.addEventListener("gap", () => this.dispatchEvent(new Event("stale")));
    this.stream.addEventListener("cut", () => this.mark(new Date()));
    this.stream.addEventListener("error", () => {
      this.mark(new Date());
      if (this.stream.readyState === EventSource.CLOSED) this.dispatchEvent(new Event("stale"));
    });
  }

  change(data) {
    if (data.entity && data.kind !== "left") this.entities.set(data.id, data.entity);
    else this.entities.delete(data.id);
    this.dispatchEvent(new CustomEvent("change", { detail: data }));
  }

  // Notes that the stream is there (null) or since when it is not.
  mark(since) {
    if (since && this.offlineSince) return;
    this.offlineSince = since;
    this.dispatchEvent(new Event("link"));
  }
}

export async function fetchJson(url, headers = {}) {
  const response = await fetch(url, { headers, cache: "no-store" });
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    throw new Error(problem.detail ?? problem.title ?? `${response.status} ${url.split("?")[0]}`);
  }
  return response.json();
}
