// Package gpt is the model plugin of decoder-only transformers: GPT-2 (Radford
// et al. 2019) and, by options of the same configuration, the Llama family
// (Touvron et al., arXiv 2302.13971). It plays the role "causal_lm".
//
// # Families and names
//
// Three options choose the family, and with it the names under which
// checkpoints keep the parameters, which are those of Hugging Face:
//
//	norm        position  mlp    family  names such as                               weights are
//	layer_norm  learned   plain  GPT-2   transformer.h.0.attn.c_attn.weight (fused)  [in, out]
//	rms_norm    rotary    gated  Llama   model.layers.0.self_attn.q_proj.weight      [out, in]
//
// Any mixture is refused, because its parameters have no published names. So
// is what one of the families cannot express: grouped key heads or another
// head_dim under GPT-2's names. bias false leaves the biases out under either
// naming. An output embedding of its own is lm_head.weight in both.
//
// # Configuration
//
// A JSON object; null stands for a field's default, as 0 does for n_inner,
// n_kv_head and head_dim. preset (gpt2, the default,
// gpt2-medium, gpt2-large or gpt2-xl) gives the defaults of n_embd, n_layer
// and n_head; the family gives the others:
//
//	field               GPT-2      Llama               range
//	vocab_size          50257      50257               1 to 2^24
//	n_positions         1024       1024                1 to 2^20; sequences are at most as long
//	n_embd              preset     preset              1 to 65536
//	n_layer             preset     preset              1 to 1024
//	n_head              preset     preset              1 to 1024
//	n_inner             4 n_embd   8/3 n_embd, up to   1 to 2^19
//	                               a multiple of 256
//	n_kv_head           n_head     n_head              divides n_head
//	head_dim            n_embd / n_head                1 to 4096; even if rotary
//	layer_norm_epsilon  1e-5       1e-6                1e-12 to 1; of either norm
//	initializer_range   0.02       0.02                0 to 1
//	embd_pdrop          0          0                   at least 0, below 1
//	resid_pdrop         0          0                   at least 0, below 1
//	attn_pdrop          0          0                   at least 0, below 1; training then holds
//	                                                   all attention probabilities
//	rope_theta          refused    10000               1 to 1e12
//	activation          gelu_tanh  silu                gelu_tanh, gelu, silu, relu
//	bias                true       false
//	tie_embeddings      true       false
//
// Dropout is off unless asked for; GPT-2's own configuration has 0.1.
//
// # The function
//
// Forward takes the parameters by name, then input_ids, position_ids and
// segment_ids, i32[B,S] for the dimensions batch B and sequence S, and, where a
// dropout rate is above 0, state, u32[4] as the dropout op takes it. It gives
// hidden, f32[B,S,E] after the final norm, and output_embedding, f32[V,E]; the
// logits are hidden output_embedding^T. A token sees those before it, and
// itself, that have its segment number. Ids beyond the vocabulary and learned
// positions beyond n_positions clamp to the last.
//
// # Initial values
//
// Weights are normal with standard deviation initializer_range, those that
// write into the residual stream (c_proj; o_proj and down_proj) divided by
// sqrt(2 n_layer), as the GPT-2 paper says in section 2.3; biases are 0 and norm
// weights 1. Tensors of rank 1 are exempt from weight decay.
//
// The package imports abi alone. Start reading at Model.
package gpt
