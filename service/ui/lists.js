// Everything that one release says about a user, as columns of the board.

import * as api from "./api.js";

export async function listsOf(settings, known, release, signal) {
  // one call after the other, so that the time of each is its own
  const user = await api.user(settings.user, release, signal);
  const columns = [historyColumn(settings, user)];
  const asked = { user_id: settings.user, n: settings.n, history: settings.history, ...settings.filters };
  const mixed = { ...asked, cgs: settings.cgs, ...settings.context };
  let mix;
  let curves;
  if (settings.cgs.length) {
    try {
      mix = await api.mix({ ...mixed, strategy: settings.strategy }, release, signal);
      columns.push(mixColumn(mix, known.colours));
    } catch (error) {
      if (!release || signal.aborted) throw error;
      columns.push({ title: "Mix", items: [], empty: `${error.title}: ${error.message}` }); // its lists are still worth seeing
    }
    if (!release && canCurve(settings, known)) curves = await api.curves(mixed, signal);
  }
  for (const name of settings.cgs) columns.push(await cgColumn(name, asked, known.colours, release, signal));
  const named = await api.facts(columns.flatMap((column) => column.items.map((item) => item.item_id)), release, signal);
  return { user, mix, curves, columns, named };
}

function canCurve(settings, known) {
  return known.mixigen && settings.cgs.every((name) => known.mixigen.cgs.includes(name));
}

function historyColumn(settings, user) {
  const given = settings.history.map((item_id) => ({ item_id }));
  const day = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10);
  const newest = user.items.slice(0, Math.max(settings.n, 20));
  const stored = newest.map((item) => ({ item_id: item.item_id, count: item.count, when: day(item.last) }));
  return {
    title: "History",
    history: true,
    latency: user.latency,
    note: given.length ? "as given, newest first" : `newest first${user.distinct_items > stored.length ? `, ${stored.length} of ${user.distinct_items}` : ""}`,
    items: given.length ? given.reverse() : stored,
    empty: user.user_known ? "Empty." : "Nothing is known of this user.",
  };
}

function mixColumn(mix, colours) {
  return {
    title: "Mix",
    note: mix.strategy,
    latency: mix.latency,
    items: mix.items.map((item) => ({ item_id: item.item_id, fill: item.fill, source: item.cg, rank: item.cg_rank, colour: colours[item.cg] })),
  };
}

async function cgColumn(name, asked, colours, release, signal) {
  const column = { title: name, colour: colours[name], items: [] };
  try {
    const answer = await api.candidates({ ...asked, cg: name }, release, signal);
    const own = answer.items.filter((item) => !item.fill).length;
    const note = own < answer.returned ? `${own} of its own` : "";
    return { ...column, latency: answer.latency, note, items: answer.items.map(({ item_id, fill }) => ({ item_id, fill })) };
  } catch (error) {
    if (signal.aborted) throw error;
    return { ...column, empty: `${error.title}: ${error.message}` };
  }
}
