"""Slow, obvious twins of the fast code: loops over plain arrays, compared on random input."""

import math

import numpy as np
from scipy.optimize import nnls


def recall(ranked: list[int], positives: list[int], k: int) -> float:
    """Hits in the top k over positives; −1 is padding in the list, an unknown item in the positives."""
    return sum(item >= 0 and item in ranked[:k] for item in positives) / len(positives)


def ndcg(ranked: list[int], positives: list[int], k: int) -> float:
    """Binary-gain NDCG."""
    gain = sum(1 / math.log2(rank + 2) for rank, item in enumerate(ranked[:k]) if item >= 0 and item in positives)
    return gain / sum(1 / math.log2(rank + 2) for rank in range(min(k, len(positives))))


def bpr_step(P, Q, b, u, i, j, lr, lambd, bias_lambd):
    """Returns (P, Q, b) after one BPR step on triplet (u, i, j), in float64, one coordinate at a time."""
    old_P, old_Q, old_b = (np.array(array, dtype=np.float64) for array in (P, Q, b))
    P, Q, b = old_P.copy(), old_Q.copy(), old_b.copy()
    margin = old_b[i] - old_b[j] + sum(old_P[u][k] * (old_Q[i][k] - old_Q[j][k]) for k in range(P.shape[1]))
    miss = 1 - 1 / (1 + np.exp(-margin))
    for k in range(P.shape[1]):
        P[u][k] += lr * (miss * (old_Q[i][k] - old_Q[j][k]) - lambd * old_P[u][k])
        Q[i][k] += lr * (miss * old_P[u][k] - lambd * old_Q[i][k])
        Q[j][k] += lr * (-miss * old_P[u][k] - lambd * old_Q[j][k])
    b[i] += lr * (miss - bias_lambd * old_b[i])
    b[j] += lr * (-miss - bias_lambd * old_b[j])
    return P, Q, b


def softmax_negatives(scores, positives, temperature):
    """Probability of each item to be drawn as a negative of a user with these scores and positives."""
    weights = [
        0.0 if item in positives else np.exp((score - max(scores)) / temperature)
        for item, score in enumerate(np.asarray(scores, dtype=np.float64))
    ]
    return np.array(weights) / sum(weights)


def interactions(rows):
    """({(user, item): (distinct requests, last time)}, {item: latest category}) of canonical events."""
    requests, last, latest = {}, {}, {}
    for row in rows:
        pair = row["user_id"], row["item_id"]
        if row["action_type"] in ("AT_CartUpdate", "AT_Purchase"):
            requests.setdefault(pair, set()).add(row["request_id"])
            last[pair] = max(last.get(pair, 0), row["timestamp"])
        if row["product_category"] is not None:
            seen = row["timestamp"], row["product_category"]
            latest[row["item_id"]] = max(latest.get(row["item_id"], seen), seen)
    pairs = {pair: (len(requests[pair]), last[pair]) for pair in requests}
    return pairs, {item: category for item, (_, category) in latest.items()}


def als_objective(X, W, H, alpha0, lambd, nu, loss):
    """The objective of training.als, cell by cell."""
    n_users, n_items = X.shape
    total = 0.0
    for u in range(n_users):
        for i in range(n_items):
            score = sum(W[u, k] * H[i, k] for k in range(W.shape[1]))
            if loss == "plain":
                total += (X[u, i] - score) ** 2
            else:
                total += X[u, i] * (1 - score) ** 2 + alpha0 * score**2
    for u in range(n_users):
        scale = 1 if loss == "plain" else (np.count_nonzero(X[u]) + alpha0 * n_items) ** nu
        total += lambd * scale * sum(w**2 for w in W[u])
    for i in range(n_items):
        scale = 1 if loss == "plain" else (np.count_nonzero(X[:, i]) + alpha0 * n_users) ** nu
        total += lambd * scale * sum(h**2 for h in H[i])
    return total


def als_user_gradient(X, W, H, alpha0, lambd, nu):
    """Half the gradient of the weighted objective by W: a triple loop over users, items and factors."""
    n_users, n_items = X.shape
    gradient = np.zeros(W.shape)
    for u in range(n_users):
        scale = lambd * (np.count_nonzero(X[u]) + alpha0 * n_items) ** nu
        for i in range(n_items):
            score = sum(W[u, k] * H[i, k] for k in range(W.shape[1]))
            for k in range(W.shape[1]):
                gradient[u, k] += (X[u, i] * (score - 1) + alpha0 * score) * H[i, k]
        for k in range(W.shape[1]):
            gradient[u, k] += scale * W[u, k]
    return gradient


def keep_largest(W, k):
    """Each row of W with all but its k entries largest in absolute value set to zero; first columns win."""
    kept = np.zeros_like(W)
    for i, row in enumerate(W):
        for j in sorted(range(len(row)), key=lambda j: (-abs(row[j]), j))[:k]:
            kept[i, j] = row[j]
    return kept


def slim(X, alpha, l1_ratio):
    """W of SLIM, column by column with Lawson and Hanson's active-set method: exact, no iteration to stop.

    The L2 penalty becomes rows √β·I below X, and the L1 penalty a shift of the linear term.
    """
    X = np.asarray(X, dtype=np.float64)
    n_users, n_items = X.shape
    lambd, beta = n_users * alpha * l1_ratio, n_users * alpha * (1 - l1_ratio)
    W = np.zeros((n_items, n_items))
    for j in range(n_items):
        others = [k for k in range(n_items) if k != j]
        Q = X[:, others].T @ X[:, others] + beta * np.eye(n_items - 1)
        L = np.linalg.cholesky(Q)
        shifted = np.linalg.solve(L, X[:, others].T @ X[:, j] - lambd)
        W[others, j] = nnls(L.T, shifted)[0]
    return W


def top_k(scores: list[float], k: int) -> list[int]:
    """Items by falling score, equal ones by index; 0 and −inf are not items."""
    eligible = [item for item, score in enumerate(scores) if score not in (0.0, -math.inf)]
    return sorted(eligible, key=lambda item: (-scores[item], item))[:k]


def score_history(W, items, weights):
    """Sum over the history of weight · row of W, entry by entry in double precision."""
    scores = [0.0] * len(W[0])
    for item, weight in zip(items, weights, strict=True):
        for candidate in range(len(scores)):
            scores[candidate] += float(weight) * float(W[item][candidate])
    return scores


def is_eligible(item: int, excluded: list[int], allowed: list[bool]) -> bool:
    """No list of what is allowed allows all."""
    return item not in excluded and (not allowed or allowed[item])


def first_eligible(order: list[int], excluded: list[int], allowed: list[bool], k: int) -> list[int]:
    """The first k items of a ranking that pass."""
    return [item for item in order if is_eligible(item, excluded, allowed)][:k]


def mask_scores(scores: list[float], excluded: list[int], allowed: list[bool]) -> list[float]:
    """−inf for what does not pass."""
    passes = [is_eligible(item, excluded, allowed) for item in range(len(scores))]
    return [score if ok else -math.inf for score, ok in zip(scores, passes, strict=True)]


def embedding_scores(vectors, biases, query):
    """query · item + bias of every item, in double precision."""
    return [
        sum(float(a) * float(b) for a, b in zip(vector, query, strict=True)) + float(bias)
        for vector, bias in zip(vectors, biases, strict=True)
    ]


def cosines(vectors, item):
    """Cosine between an item and every item; 0 where a vector is 0."""
    dots = embedding_scores(vectors, [0.0] * len(vectors), vectors[item])
    norms = [math.sqrt(sum(float(x) ** 2 for x in vector)) for vector in vectors]
    return [
        dot / (norm * norms[item]) if norm * norms[item] > 0 else 0.0 for dot, norm in zip(dots, norms, strict=True)
    ]


def merge_monotone(curves, lists, n):
    """Score every (list, position), sort, walk: the mix where no curve rises. [(item, list, position)]."""
    places = [
        (-curves[row][min(position, len(curves[row]) - 1)], position, row)
        for row, items in enumerate(lists)
        for position in range(len(items))
    ]
    picks, taken = [], set()
    for _, position, row in sorted(places):
        item = lists[row][position]
        if item not in taken and len(picks) < n:
            taken.add(item)
            picks.append((item, row, position))
    return picks


def merge_k_way(curves, lists, n):
    """The k-way procedure: the best head supplies; a head that is taken is dropped and the next one competes."""
    queues = [list(enumerate(items)) for items in lists]
    picks = []
    while len(picks) < n and any(queues):
        heads = [(row, queue[0][0]) for row, queue in enumerate(queues) if queue]
        row, position = min(
            heads, key=lambda head: (-curves[head[0]][min(head[1], len(curves[0]) - 1)], head[1], head[0])
        )
        _, item = queues[row].pop(0)
        if item not in [pick[0] for pick in picks]:
            picks.append((item, row, position))
    return picks


def merge_by_shares(shares, lists, n):
    """Each place goes to the list with the least (places + ½) / share; it supplies its next new item."""
    queues = [list(enumerate(items)) for items in lists]
    given, picks = [0] * len(lists), []
    while len(picks) < n:
        taken = [pick[0] for pick in picks]
        for queue in queues:
            while queue and queue[0][1] in taken:
                queue.pop(0)
        alive = [row for row, queue in enumerate(queues) if queue]
        if not alive:
            break
        row = min(alive, key=lambda row: ((given[row] + 0.5) / max(shares[row] / sum(shares), 1e-12), row))
        position, item = queues[row].pop(0)
        given[row] += 1
        picks.append((item, row, position))
    return picks


def reciprocal_rank_fusion(lists, n, constant=60):
    """[(item, score)]: sums over the first n of each list; equal sums by best rank, then the first list."""
    lists = [items[:n] for items in lists]
    scores, best = {}, {}
    for position in range(n):
        for row, items in enumerate(lists):
            if position < len(items):
                item = items[position]
                scores[item] = scores.get(item, 0.0) + 1 / (constant + position + 1)
                best.setdefault(item, (position, row))
    return [(item, scores[item]) for item in sorted(scores, key=lambda item: (-scores[item], best[item]))][:n]


def score_compact(W, items, weights):
    """history @ W for compact weights, without the codes of the rows that together make up a 20th of all squares."""
    exact = weights * W.scales[items]
    units = np.floor(exact / (exact.max(initial=0) / np.float32(127) or 1) + np.float32(0.5)).astype(int)
    unread = {u for u in set(units.tolist()) if 20 * (units[units <= u] ** 2).sum() <= (units**2).sum()}
    scores = np.zeros(len(W.scales))
    for i, u, weight in zip(items, units, weights, strict=True):
        scores += weight * compact_row(W if u not in unread else W._replace(scales=0 * W.scales), i)
    return scores


def compact_matrix(W):
    """The dense matrix that compact weights stand for."""
    return np.stack([compact_row(W, i) for i in range(len(W.scales))])


def compact_row(W, i):
    """One of its rows."""
    row = np.zeros(len(W.scales))
    for h, j in enumerate(W.columns):
        line, place = divmod(h, 128)
        half, group, lane, byte = place // 64, place // 16 % 4, place // 4 % 4, place % 4
        code = W.codes[i, 64 * line + 16 * lane + 4 * group + byte] >> (4 * half)
        row[j] = (int(code) % 16 - 7) * W.scales[i]
    for entry in range(W.indptr[i], W.indptr[i + 1]):
        row[W.largest_columns[entry]] += W.largest[entry]
    return row
