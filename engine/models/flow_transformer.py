"""The base class of the families with flow matching and a transformer, and how they are loaded."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar

import torch
from diffusers import DiffusionPipeline
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from engine.contract import MAX_SIZE, BatchSizes, PromptFormat, Recipe
from engine.contract.prompt_weights import words_of
from engine.device import Device
from engine.flow_matching import for_picture
from engine.models.description import distillation_in, optional_components, require_components
from engine.models.latent_diffusion import LatentDiffusion
from engine.models.loading import load_concept_checker, load_pipeline
from engine.models.prompt_tokens import Prompt, words_beyond
from engine.safety import Checker, CheckerSet
from engine.weights.loras import Loras
from engine.weights.model_files import ModelFiles


class FlowTransformer(LatentDiffusion):
    """A model whose prompts are padded to one length, so that all of them can share batches.

    Its text encoders were not trained for weights: of a prompt of the format A1111, they read the
    words without the notation.
    """

    tokenizers = ()

    def offer_adapters(self, loras: Loras) -> None:
        """Offer none, and say so for each."""
        self.card = self.card.without_adapters([*loras.files, *loras.refused])

    @staticmethod
    def batch_sizes(device: Device) -> tuple[BatchSizes, ...]:
        """As those of SDXL, which is as large."""
        return (
            BatchSizes(pixels=512 * 512, default=(2, 8), under_load=(2, 8, 16)),
            BatchSizes(pixels=768 * 768, default=(2, 4), under_load=(2, 4, 8)),
            BatchSizes(pixels=MAX_SIZE**2, default=(2,), under_load=(2, 4, 8)),
        )

    def prove_backends(self) -> None:
        """The card has torch alone, with which the families were compared with diffusers."""

    def text_chunks(self, recipe: Recipe) -> int:
        """All prompts have one length."""
        return 1

    def omitted_words(self, text: str, recipe: Recipe) -> int:
        """How many words at the end of one of the recipe's prompts no text encoder reads."""
        return self.words_beyond_limit(text_of(Prompt(text, recipe.prompt_format)))

    @abstractmethod
    def words_beyond_limit(self, text: str) -> int:
        """How many words at the end of a text no text encoder reads."""


def words_beyond_template(
    tokenizer: PreTrainedTokenizerBase, text: str, max_tokens: int, *, enable_thinking: bool
) -> int:
    """How many words at the end of a text are beyond the first tokens of a chat message of it."""
    message = {"role": "user", "content": text}
    whole = tokenizer.apply_chat_template(
        [message], tokenize=False, add_generation_prompt=True, enable_thinking=enable_thinking
    )
    start = whole.find(text.strip())
    end = start + len(text.strip())
    return words_beyond(tokenizer, whole, max_tokens, start, end)


Model = TypeVar("Model", bound=FlowTransformer)


def text_of(prompt: Prompt) -> str:
    """What the text encoders read of a prompt."""
    return words_of(prompt.text) if prompt.format is PromptFormat.A1111 else prompt.text


def load_flow_transformer(
    model_class: type[Model],
    pipeline_class: type[DiffusionPipeline],
    files: ModelFiles,
    device: Device,
    checkers: Sequence[Checker],
    *,
    use_builtin_checker: bool,
    **components: type[PreTrainedModel],
) -> Model:
    """Load a model with these safety checkers and optionally Stable Diffusion's.

    `components` are the classes of its text encoders. Raises ModelCorrupt or NoSafetyChecker, whose
    messages are for the operator.
    """
    family = model_class.family
    require_components(files, family)
    if device.dtype == torch.float16:  # these models were trained in bfloat16 and overflow
        device = device.in_dtype(torch.bfloat16)
    if use_builtin_checker:
        checker = load_concept_checker(files, files.safety_checker_folder(), device)
        checkers = [checker, *checkers]
    present = {name for pair in optional_components(files, family) for name in pair}
    optional = {*family.optional_networks, *family.optional_tokenizers}
    missing = dict.fromkeys(optional - present)
    pipeline = load_pipeline(pipeline_class, files, device, **{**components, **missing})
    model = model_class(
        pipeline,
        CheckerSet(checkers),
        files.name,
        files.revision,
        device,
        distillation_in(files),
    )
    side = model.card.native_size
    for_picture(model.scheduler_config, side, side, model.card.steps)  # raises if it is damaged
    return model
