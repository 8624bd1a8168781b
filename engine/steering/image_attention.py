"""Attention to image prompts in the cross-attention layers of a UNet.

As in diffusers' IPAdapterAttnProcessor2_0, it is added to the attention to the prompt. It is
computed for the rows of one image at a time, so that its bits do not depend on the other rows.
"""

import threading
from collections.abc import Sequence

import torch
from diffusers.models.attention_processor import Attention
from torch.nn import functional as F

from engine.steering.active import steered_rows
from engine.steering.references import LayerPrompt
from engine.steering.rows import SteeredRows


class _Query(threading.local):
    """Each thread sees its own attribute."""

    value: torch.Tensor | None = None


class ImageAttention:
    """Lets one cross-attention layer read image prompts in steered passes."""

    def __init__(self, index: int, attention: Attention) -> None:
        """`index` is that of the layer in `ImageReferences.layers`."""
        self._index = index
        self._attention = attention
        self._query = _Query()

    def attach(self) -> None:
        """From now on, the layer calls this; passes without references stay as they are."""
        self._attention.to_q.register_forward_hook(self._keep_query)
        self._attention.to_out[0].register_forward_pre_hook(self._add_attention)

    def _keep_query(
        self, _: torch.nn.Module, __: tuple[torch.Tensor, ...], query: torch.Tensor
    ) -> None:
        if steered_rows():
            self._query.value = query

    def _add_attention(
        self, _: torch.nn.Module, inputs: tuple[torch.Tensor, ...]
    ) -> tuple[torch.Tensor, ...] | None:
        """The inputs of the layer's last projection, after all rows attended to their prompts."""
        query, self._query.value = self._query.value, None
        steered = [(rows.rows, prompts) for rows in steered_rows() if (prompts := self._read(rows))]
        if query is None or not steered:
            return None
        hidden_states, *others = inputs
        hidden_states = hidden_states.clone()
        for rows, prompts in steered:
            # In memory of its own, because kernels may compute by a tensor's address.
            heads = split_heads(query[rows].clone(), self._attention.heads)
            total = hidden_states[rows]
            for scale, key, value in prompts:
                attended = F.scaled_dot_product_attention(heads, key, value)
                total = total + scale * attended.transpose(1, 2).flatten(2).to(total.dtype)
            hidden_states[rows] = total
        return hidden_states, *others

    def _read(self, rows: SteeredRows) -> Sequence[LayerPrompt]:
        """What the layer reads for the rows of one image."""
        references = rows.steering.references
        return () if references is None else references.layers[self._index]


def split_heads(tensor: torch.Tensor, heads: int) -> torch.Tensor:
    """(rows, tokens, channels) as (rows, heads, tokens, channels / heads)."""
    return tensor.view(*tensor.shape[:2], heads, -1).transpose(1, 2)
