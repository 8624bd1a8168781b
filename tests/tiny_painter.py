"""A text encoder and a UNet like the starter's, with random weights."""

import torch
from diffusers import UNet2DConditionModel

from engine.starter.autoencoder import CHANNELS
from engine.starter.denoiser import TextConditioner
from engine.starter.text_encoder import WIDTH, new_text_encoder, new_tokenizer


def tiny_painter() -> TextConditioner:
    """The UNet has one level."""
    torch.manual_seed(3)
    unet = UNet2DConditionModel(
        sample_size=16,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        block_out_channels=(8,),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D",),
        up_block_types=("CrossAttnUpBlock2D",),
        cross_attention_dim=WIDTH,
        attention_head_dim=2,
        norm_num_groups=2,
    )
    tokenizer = new_tokenizer()
    return TextConditioner(tokenizer, new_text_encoder(tokenizer), unet).eval()
