"""The block of causal attention against torch's own encoder layer."""

from __future__ import annotations

import torch
from torch import nn

from astrid_ml.models.lightcurves.attention import CausalBlock

WIDTH, HEADS = 12, 3


def test_the_block_is_torchs_pre_norm_layer_under_a_causal_mask() -> None:
    torch.manual_seed(0)
    block = CausalBlock(WIDTH, HEADS, dropout=0.0)
    layer = nn.TransformerEncoderLayer(
        WIDTH, HEADS, 2 * WIDTH, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    pairs = {
        layer.norm1: block.norm,
        layer.norm2: block.norm_after,
        layer.self_attn.out_proj: block.join,
        layer.linear1: block.feed[0],
        layer.linear2: block.feed[2],
    }
    for theirs, ours in pairs.items():
        theirs.load_state_dict(ours.state_dict())
    layer.self_attn.in_proj_weight.data, layer.self_attn.in_proj_bias.data = block.project.weight, block.project.bias
    x = torch.randn(2, 7, WIDTH)
    expected = layer(x, src_mask=nn.Transformer.generate_square_subsequent_mask(7), is_causal=True)
    assert torch.allclose(block(x), expected, atol=1e-5)


def test_later_epochs_change_no_earlier_answer() -> None:
    torch.manual_seed(1)
    block = CausalBlock(WIDTH, HEADS, dropout=0.2).eval()
    x = torch.randn(1, 6, WIDTH)
    other = x.clone()
    other[:, 4:] += 10.0
    before, after = block(x), block(other)
    assert torch.equal(before[:, :4], after[:, :4])
    assert (before[:, 4:] - after[:, 4:]).abs().amax(dim=2).min() > 0.1
