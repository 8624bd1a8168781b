// Polls: the question, and a button for each answer.

import { element } from "./markdown.js";

// A click votes for an answer, or takes the vote back. `vote(node, ids)` sets the answers of the user.
export function pollNodes(poll, vote) {
  if (!poll) return [];
  const row = element("div", "row");
  row.append(...poll.answers.map((answer) => answerNode(answer, poll, vote)));
  return [element("h3", "", poll.question.text), row];
}

function answerNode({ answer_id: id, poll_media: media }, poll, vote) {
  const isMine = poll.mine.includes(id);
  const votes = poll.results.answer_counts.find((count) => count.id === id)?.count ?? 0;
  const node = element("button", `button ${isMine ? "primary" : "secondary"}`);
  node.type = "button";
  node.textContent = [media.emoji?.name, media.text, `· ${votes}`].filter(Boolean).join(" ");
  node.disabled = poll.results.is_finalized;
  node.addEventListener("click", () => {
    const others = poll.allow_multiselect ? poll.mine.filter((other) => other !== id) : [];
    vote(node, isMine ? others : [...others, id]);
  });
  return node;
}
