"""Makes the folders beside it: small models with random weights as Hugging Face's transformers saves them (model.safetensors), and
what they compute in float64 (io.safetensors). Made with transformers 5.24.0 and torch 2.15.0:

    python conformance/testdata/huggingface/make.py

clip-resnet has the image tower of open_clip_torch 3.3.0, of which nothing but modified_resnet.py is run:

    pip install --no-deps --target DIR open_clip_torch==3.3.0; OPEN_CLIP=DIR python ...
"""
import os
import sys
import types

import torch
import transformers as t
from safetensors.torch import save_file

torch.manual_seed(0)
here, draws, vocab = os.path.dirname(os.path.abspath(__file__)), torch.Generator().manual_seed(1), 19


def ids(*shape, low=0, high=vocab):
    return torch.randint(low, high, shape, generator=draws)


def put(name, model, run):
    model.eval()
    with torch.no_grad():
        for p in model.parameters():
            if p.requires_grad:
                p.add_(0.1 * torch.randn(p.shape, generator=draws))
        for key, b in model.named_buffers():
            if "running" in key:
                b.add_(0.3 * torch.rand(b.shape, generator=draws))
        folder = os.path.join(here, name)
        model.save_pretrained(folder)
        for extra in ("config.json", "generation_config.json"):
            if os.path.exists(os.path.join(folder, extra)):
                os.remove(os.path.join(folder, extra))
        io = run(model.double())
    kinds = {torch.float32: torch.float64, torch.bool: torch.int64}
    save_file({k: v.to(kinds.get(v.dtype, v.dtype)).contiguous() for k, v in io.items()}, os.path.join(folder, "io.safetensors"))


def image(side):
    return torch.randn(2, 3, side, side, generator=draws, dtype=torch.float64)


text, target, pair = ids(2, 7), ids(2, 4), (torch.arange(7) > 3).long().expand(2, 7)
small = dict(hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12)
vision, pixels = dict(small, image_size=12, patch_size=4), image(12)

gpt = t.GPT2Config(vocab_size=vocab, n_positions=8, n_embd=8, n_layer=2, n_head=2)
for name, model in ("gpt2", t.GPT2LMHeadModel(gpt)), ("gpt2-base", t.GPT2Model(gpt)):
    # The hidden states of the one are within the other.
    put(name, model, lambda m: {"input_ids": text, "hidden": (m.transformer if hasattr(m, "transformer") else m)(text).last_hidden_state})

llama = t.LlamaConfig(vocab_size=vocab, max_position_embeddings=8, num_key_value_heads=1, tie_word_embeddings=False, **small)
put("llama", t.LlamaForCausalLM(llama), lambda m: {"input_ids": text, "logits": m(text).logits})


def bert(m):
    out = m(text, token_type_ids=pair)
    return {"input_ids": text, "token_type_ids": pair, "logits": out.prediction_logits, "next_sentence_logits": out.seq_relationship_logits}


put("bert", t.BertForPreTraining(t.BertConfig(vocab_size=vocab, max_position_embeddings=8, **small)), bert)
put("vit", t.ViTForImageClassification(t.ViTConfig(num_labels=5, **vision)), lambda m: {"pixel_values": pixels, "logits": m(pixels).logits})

hidden = torch.rand(2, 9, generator=draws) < 0.5


def masked(m):
    out = m(pixels, bool_masked_pos=hidden)
    return {"pixel_values": pixels, "hidden_patches": hidden, "reconstruction": out.reconstruction, "loss": out.loss.reshape(1)}


put("vit-masked", t.ViTForMaskedImageModeling(t.ViTConfig(encoder_stride=4, **vision)), masked)

noise = torch.rand(2, 9, generator=draws)


def mae(m):
    out = m(pixels, noise=noise)
    return {"pixel_values": pixels, "ids_restore": out.ids_restore, "logits": out.logits, "loss": out.loss.reshape(1)}


model = t.ViTMAEForPreTraining(t.ViTMAEConfig(
    decoder_hidden_size=8, decoder_num_hidden_layers=1, decoder_num_attention_heads=2, decoder_intermediate_size=12, mask_ratio=0.5, norm_pix_loss=True, **vision))
for x in [*model.modules(), *model.parameters()]:
    x._is_hf_initialized = False
model.vit.embeddings.initialize_weights()  # of positions, which a model that is made is without
model.decoder.initialize_weights(9)
put("mae", model, mae)

for name, more in ("t5", {}), ("t5-v1_1", dict(feed_forward_proj="gated-gelu", tie_word_embeddings=False)):
    model = t.T5ForConditionalGeneration(t.T5Config(vocab_size=vocab, d_model=8, d_kv=4, d_ff=12, num_layers=1, num_heads=2, decoder_start_token_id=0, **more))
    put(name, model, lambda m: {"input_ids": text, "decoder_input_ids": target, "logits": m(input_ids=text, decoder_input_ids=target).logits})

large = image(24)
put("resnet", t.ResNetForImageClassification(t.ResNetConfig(embedding_size=4, hidden_sizes=[8, 12], depths=[1, 1], layer_type="bottleneck", num_labels=5)),
    lambda m: {"pixel_values": large, "logits": m(large).logits})

captions = ids(2, 7, low=1, high=vocab - 1)
captions[0, 4] = captions[1, 6] = vocab - 1


def clip(m):
    out = m(input_ids=captions, pixel_values=pixels)
    return {"input_ids": captions, "pixel_values": pixels, "image_embeds": out.image_embeds, "text_embeds": out.text_embeds, "logits": out.logits_per_image}


put("clip", t.CLIPModel(t.CLIPConfig(projection_dim=6, vision_config=vision, text_config=dict(
    small, vocab_size=vocab, max_position_embeddings=8, eos_token_id=vocab - 1, bos_token_id=0, pad_token_id=1))), clip)

# The package would import what is not needed.
package = types.ModuleType("open_clip")
package.__path__ = [os.path.join(os.environ["OPEN_CLIP"], "open_clip")]
sys.modules["open_clip"], sys.modules["open_clip.utils"] = package, types.SimpleNamespace(freeze_batch_norm_2d=None, feature_take_indices=None)
from open_clip.modified_resnet import ModifiedResNet  # noqa: E402


class Residual(t.CLIPModel):
    """A CLIPModel whose image tower is open_clip's."""

    def __init__(self, config):
        super().__init__(config)
        del self.vision_model, self.visual_projection
        self.visual = ModifiedResNet(layers=[2, 1, 1, 1], output_dim=6, heads=2, image_size=64, width=2)


wide = image(64)


def residual(m):
    text, image = m.get_text_features(captions), m.visual(wide)
    text = getattr(text, "pooler_output", text)
    return {"input_ids": captions, "pixel_values": wide, "image_embeds": image / image.norm(dim=-1, keepdim=True), "text_embeds": text / text.norm(dim=-1, keepdim=True)}


put("clip-resnet", Residual(t.CLIPConfig(projection_dim=6, vision_config=vision, text_config=dict(
    small, vocab_size=vocab, max_position_embeddings=8, eos_token_id=vocab - 1, bos_token_id=0, pad_token_id=1))), residual)
