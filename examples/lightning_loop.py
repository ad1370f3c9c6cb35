"""The hybrid in PyTorch Lightning, on the candidate table of `zmumu process`.

    pip install 'zmumu-hybrid[lightning]'
    python examples/lightning_loop.py table [epochs]

Lightning has the loop, the network is the one of this package: four-momenta in, one logit an event out.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytorch_lightning as lightning
import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader, TensorDataset

from zmumu_hybrid.metrics import auc_with_uncertainty
from zmumu_hybrid.nets import DimuonHybrid
from zmumu_hybrid.training.data import load


class LitHybrid(lightning.LightningModule):
    def __init__(self, learning_rate: float = 1e-4) -> None:
        super().__init__()
        self.net = DimuonHybrid()
        self.learning_rate = learning_rate

    def training_step(self, batch: list[torch.Tensor], _index: int) -> torch.Tensor:
        p4, label, weight = batch
        return binary_cross_entropy_with_logits(self.net(p4), label, weight)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=self.learning_rate)


def run(data: Path, epochs: int = 10, seed: int = 0) -> float:
    """Train on the training events of a table; return the AUC on the held-out ones."""
    lightning.seed_everything(seed, verbose=False)
    table, held_out = load(data), load(data, split="test")
    columns = (torch.from_numpy(values).float() for values in (table.p4, table.label, table.weight))
    module = LitHybrid()
    trainer = lightning.Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(module, DataLoader(TensorDataset(*columns), batch_size=128, shuffle=True, drop_last=True))
    with torch.no_grad():
        logits = module.net.eval()(torch.from_numpy(held_out.p4)).numpy()
    auc, error = auc_with_uncertainty(logits, held_out.label, held_out.weight)
    print(f"AUC {auc:.4f} ± {error:.4f} on {len(held_out):,} held-out events")
    return auc


if __name__ == "__main__":
    run(Path(sys.argv[1]), *map(int, sys.argv[2:3]))
