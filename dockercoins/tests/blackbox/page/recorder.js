// Put into the page before its own code: keeps what the page fetched, for the tests to compare with what it
// shows, and how many questions it had open at once.
globalThis.recorded = { bodies: [], open: 0, mostOpen: 0 };
const original = globalThis.fetch;
globalThis.fetch = async (...request) => {
  recorded.open += 1;
  recorded.mostOpen = Math.max(recorded.mostOpen, recorded.open);
  try {
    const response = await original(...request);
    const text = await response.clone().text();
    recorded.bodies.push(JSON.parse(text));
    return response;
  } finally {
    recorded.open -= 1;
  }
};
