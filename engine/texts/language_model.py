"""Language models that continue prompts, such as MagicPrompt; loaded with transformers."""

from typing import Any, Final

import torch

from engine.texts.loading import Kind, Parts, load_parts

MAX_NEW_TOKENS: Final = 40
MAX_PROMPT_TOKENS: Final = 400
"""Of a longer prompt, the last ones are continued."""
_KIND: Final = Kind("expander", "causal language model", "Gustavosta/MagicPrompt-Stable-Diffusion")
_SAMPLING: Final[dict[str, Any]] = {
    "do_sample": True,
    "temperature": 0.9,
    "top_k": 50,
    "repetition_penalty": 1.2,
}


class LanguageModel:
    """Implements Expander with a causal language model of transformers."""

    def __init__(self, parts: Parts) -> None:
        self.card, self._network, self._tokenizer = parts

    @torch.inference_mode()
    def expand(self, prompt: str, seed: int) -> str:
        """What follows the prompt, up to MAX_NEW_TOKENS tokens."""
        tokens = self._tokenizer(prompt, return_tensors="pt")["input_ids"][:, -MAX_PROMPT_TOKENS:]
        end = self._network.generation_config.eos_token_id
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            output = self._network.generate(
                input_ids=tokens,
                attention_mask=torch.ones_like(tokens),
                max_new_tokens=MAX_NEW_TOKENS,
                pad_token_id=end if isinstance(end, int) else 0,
                **_SAMPLING,
            )
        text: str = self._tokenizer.decode(output[0, tokens.shape[1] :], skip_special_tokens=True)
        return text


def load(name: str) -> LanguageModel:
    """The language model of this hub id or folder. Raises EngineError as `load_parts` does."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    parts = load_parts(
        name, _KIND, AutoModelForCausalLM.from_pretrained, AutoTokenizer.from_pretrained
    )
    return LanguageModel(parts)
