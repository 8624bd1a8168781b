"""Convolutions are computed row by row where the slot of a row changes its bits."""

import pytest
import torch
from diffusers import UNet2DConditionModel

from engine.models.convolutions import SlotInvariantConvolutions


class SlotDependent(torch.nn.Conv2d):
    """A convolution that rounds odd slots differently in batches of more than two rows, like some
    GPU kernels."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        outputs = super().forward(input)
        if len(outputs) > 2:
            outputs[1::2] *= 1 + 2**-20
        return outputs


@pytest.fixture
def network() -> torch.nn.Sequential:
    """A module with an ordinary and a slot-dependent convolution."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, padding=1), SlotDependent(4, 2, 3, padding=1)
    )
    return network.requires_grad_(requires_grad=False)


def test_equal_rows_come_out_equal_once_measured(network: torch.nn.Sequential) -> None:
    """After the measurement, equal rows of a batch have equal results in all slots."""
    rows = torch.randn(1, 3, 8, 8).repeat(4, 1, 1, 1)
    convolutions = SlotInvariantConvolutions(network)
    before = network(rows)
    assert not torch.equal(before[0], before[1])
    with convolutions.measure():
        network(rows)
    outputs = network(rows)
    assert all(torch.equal(row, outputs[0]) for row in outputs)


def test_only_what_depends_on_slots_is_computed_row_by_row(network: torch.nn.Sequential) -> None:
    """Other convolutions and other shapes, such as a batch of two rows, stay batched."""
    convolutions = SlotInvariantConvolutions(network)
    with convolutions.measure():
        network(torch.zeros(2, 3, 8, 8))
    assert convolutions.row_by_row == 0
    with convolutions.measure():
        network(torch.zeros(4, 3, 8, 8))
        network(torch.zeros(4, 3, 8, 8))
    assert convolutions.row_by_row == 1


def test_rows_keep_their_own_values_and_layout(network: torch.nn.Sequential) -> None:
    """The rows of a batch are not mixed up, also in the channels-last memory layout of GPUs."""
    rows = torch.randn(4, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    plain = torch.cat([network(row) for row in rows.split(1)])
    convolutions = SlotInvariantConvolutions(network)
    with convolutions.measure():
        network(rows)
    outputs = network(rows)
    assert torch.allclose(outputs, plain, rtol=1e-5, atol=1e-6)
    assert outputs.is_contiguous(memory_format=torch.channels_last)


def test_a_unet_is_measured_by_one_forward_pass() -> None:
    """One pass tests all convolutions of diffusers' UNet; if none depends on slots, the result is
    unchanged."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=8,
        attention_head_dim=2,
        norm_num_groups=4,
    ).eval()
    inputs = torch.randn(3, 4, 8, 8), torch.tensor([1.0, 2.0, 3.0]), torch.randn(3, 5, 8)
    with torch.inference_mode():
        before = unet(*inputs, return_dict=False)[0]
        convolutions = SlotInvariantConvolutions(unet)
        with convolutions.measure():
            unet(*inputs, return_dict=False)
        after = unet(*inputs, return_dict=False)[0]
    assert convolutions.row_by_row == 0
    assert torch.equal(before, after)
