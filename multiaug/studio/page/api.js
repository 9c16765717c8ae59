// What the page asks the server for. An error is a sentence, and of which setting it is said.

export class Refusal extends Error {
  constructor(status, error) {
    super(typeof error === "string" ? error : error.message);
    this.status = status;
    this.place = error?.place ?? null;
    this.field = error?.field ?? "";
  }
}

export async function ask(path, body, method = body === undefined ? "GET" : "POST") {
  let answer;
  try {
    answer = await fetch(`api/${path}`, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Refusal(0, "The studio does not answer. Start it again and open the new address.");
  }
  const text = await answer.text();
  let content;
  try {
    content = JSON.parse(text);
  } catch {
    content = { error: text.trim() };
  }
  if (!answer.ok) throw new Refusal(answer.status, content.error);
  return content;
}

// One request under way, and the latest of those that wait for it: those between are dropped.
export function latest(work) {
  let running = false;
  let waiting = false;
  return async function again() {
    if (running) {
      waiting = true;
      return;
    }
    running = true;
    do {
      waiting = false;
      await work();
    } while (waiting);
    running = false;
  };
}
