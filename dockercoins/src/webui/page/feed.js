// The feed: asks webui for the counts once a second, one question at a time, and says what came of each.

import { parseReading } from "./rate.js";

const POLL_MILLISECONDS = 1000;

// Longer than webui waits for Redis before it says that Redis is away.
const TIMEOUT_MILLISECONDS = 5000;

const RETRIES = "This page asks again every second and goes on by itself.";

// Polls for ever. `told` gets one outcome per poll:
//   { kind: "reading", reading }
//   { kind: "redis-away", message, advice, at }   webui answers, Redis does not
//   { kind: "webui-away", message, advice }       no answer, or none that makes sense
export async function poll(told) {
  for (;;) {
    const started = performance.now();
    told(await ask());
    await rest(POLL_MILLISECONDS - (performance.now() - started));
  }
}

async function ask() {
  // A browser may have slept in the middle of a question; the time-out then ends it, and the next one is soon.
  const signal = AbortSignal.timeout(TIMEOUT_MILLISECONDS);
  let response;
  let text;
  try {
    response = await fetch("json", { cache: "no-store", signal });
    text = await response.text();
  } catch (error) {
    return webuiAway(
      error.name === "TimeoutError"
        ? `webui did not answer within ${TIMEOUT_MILLISECONDS / 1000}\u00a0s.`
        : "webui is not answering: no connection to it.",
    );
  }
  return understand(response.status, text);
}

export function understand(status, text) {
  const body = parseJson(text);
  if (status === 200) {
    try {
      return { kind: "reading", reading: parseReading(body) };
    } catch (error) {
      return webuiAway(`webui answered, but this page cannot read it: ${error.message}.`);
    }
  }
  if (status === 503 && typeof body?.error === "string") {
    const at = Number.isFinite(body.now) ? body.now : null;
    return { kind: "redis-away", message: body.error, advice: RETRIES, at };
  }
  return webuiAway(`webui answered with HTTP status ${status} where counts were asked for.`);
}

function webuiAway(message) {
  const advice = `Look whether its container runs, and at its log. ${RETRIES}`;
  return { kind: "webui-away", message, advice };
}

function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

// Waits, but no longer than until the page is looked at again: timers of hidden tabs run late.
function rest(milliseconds) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", shown);
      resolve();
    };
    const shown = () => {
      if (!document.hidden) done();
    };
    const timer = setTimeout(done, Math.max(0, milliseconds));
    document.addEventListener("visibilitychange", shown);
  });
}
