"""Lightning keeps the loader's state in its checkpoints, and resumes in the middle of an epoch."""

import pytest
import torch
from training_scene import training_index

from stacchip_osml.load.source import ChipSource
from stacchip_osml.load.torch_data import ChipLoader

lightning = pytest.importorskip("lightning")
from lightning.pytorch.callbacks import ModelCheckpoint  # noqa: E402 - there or not

QUIET = {
    "logger": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "accelerator": "cpu",
}


class Recorder(lightning.LightningModule):
    """Learns next to nothing, and remembers what it was given."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.seen = []

    def training_step(self, batch, number):
        self.seen.append(batch["index"].tolist())
        return self.layer(batch["image"].float().mean().reshape(1)).sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1e-12)


def loader(index, **settings):
    source = ChipSource(index)
    return ChipLoader(source, source.schedule(batch_size=10, seed=3), **settings)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path, workers):
    index = training_index(tmp_path)
    whole = [[batch.samples.tolist() for batch in loader(index).schedule.batches(epoch=epoch)] for epoch in (0, 1)]
    first = Recorder()
    saver = ModelCheckpoint(tmp_path, filename="after", every_n_train_steps=11, save_top_k=1)
    trainer = lightning.Trainer(max_steps=13, max_epochs=5, callbacks=[saver], **QUIET)
    trainer.fit(first, loader(index, num_workers=workers))
    second = Recorder()
    trainer = lightning.Trainer(max_epochs=2, enable_checkpointing=False, **QUIET)
    trainer.fit(second, loader(index), ckpt_path=tmp_path / "after.ckpt", weights_only=False)

    assert first.seen == whole[0] + whole[1][:5]
    assert second.seen == whole[1][3:]
