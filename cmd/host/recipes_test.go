package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/seedbed/seedbed/core/recipe"
	"github.com/seedbed/seedbed/core/run"
	examples "github.com/seedbed/seedbed/examples/recipes"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every built-in recipe is good.
func TestBuiltInRecipes(t *testing.T) {
	all := examples.All()
	require.NotEmpty(t, all)
	for _, r := range all {
		_, err := recipe.Parse(r.Name, r.Text, nil)
		assert.NoError(t, err)
		assert.NotEmpty(t, r.Doc)
	}
}

// What is predicted of the papers' sizes: the plugins start, model, objective
// and data fit, and the number of parameters is the published one.
func TestPaperSizes(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int64{
		"gpt": 125_226_240, "bert": 110_106_428, "t5": 222_903_552, "resnet": 25_557_032, "vit": 86_567_656,
		"mae": 329_239_296, "simclr": 27_968_576, "clip": 151_277_313, "dvae": 6_602_246, "dalle": 12_291_821_184,
		"vit-masked": 86_193_152, "clip-resnet": 102_007_137,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := recipe.Parse(name, mustFind(t, name+"-paper").Text, nil)
			require.NoError(t, err)
			p, err := run.Predict(t.Context(), r, starter(1, 0))
			require.NoError(t, err)
			assert.Equal(t, want, p.Parameters)
			assert.Greater(t, p.MemoryBytes, 12*want, "parameters, gradients and what the optimizer keeps")
			assert.Greater(t, p.StepFLOPs, float64(6*want*p.Rows), "each parameter takes part in each row")
		})
	}
}

// tiny are settings that make the built-in recipes small enough to run many
// times; all have four steps, whose learning rates do not depend on how many
// there are.
var tiny = map[string][]string{
	"gpt":        {"model.config={vocab_size: 300, n_positions: 12, n_embd: 8, n_layer: 1, n_head: 2}", "data.vocab_size=300", "train.sequence_length=12"},
	"bert":       {"model.config={vocab_size: 300, hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 8, max_position_embeddings: 16, hidden_dropout_prob: 0.1}", "objective.config={unit: word}", "data.vocab_size=300", "train.sequence_length=16"},
	"t5":         {"model.config={vocab_size: 330, d_model: 8, d_kv: 4, d_ff: 8, num_layers: 1, num_decoder_layers: 1, num_heads: 2}", "data.vocab_size=300", "train.sequence_length=24", "train.target_length=10"},
	"t5-prefix":  {"model.config={vocab_size: 330, d_model: 8, d_kv: 4, d_ff: 8, num_layers: 1, num_decoder_layers: 1, num_heads: 2}", "data.vocab_size=300", "train.sequence_length=24", "train.target_length=10"},
	"t5-mixed":   {"model.config={vocab_size: 330, d_model: 8, d_kv: 4, d_ff: 8, num_layers: 1, num_decoder_layers: 1, num_heads: 2}", "data.vocab_size=300", "train.sequence_length=24", "train.target_length=10"},
	"t5-causal":  {"model.config={vocab_size: 330, d_model: 8, d_kv: 4, d_ff: 8, num_layers: 1, num_decoder_layers: 1, num_heads: 2}", "data.vocab_size=300", "train.sequence_length=24", "train.target_length=10"},
	"vit":        {"model.config={image_size: 16, patch_size: 8, hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 8, num_labels: 8}"},
	"simclr-vit": {"model.config={image_size: 16, patch_size: 4, hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 8, projection_hidden: 32, projection_dim: 4}", "train.grain=4"},
	"vit-masked": {"model.config={image_size: 16, patch_size: 4, hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 8}"},
	"resnet":     {"model.config={image_size: 16, layer_type: basic, embedding_size: 4, hidden_size_1: 4, depth_1: 1, depth_2: 0, depth_3: 0, depth_4: 0, num_labels: 8}"},
	"mae":        {"model.config={image_size: 16, patch_size: 4, hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 8, decoder_hidden_size: 8, decoder_num_hidden_layers: 1, decoder_num_attention_heads: 2, decoder_intermediate_size: 8}"},
	"simclr":     {"model.config={image_size: 16, layer_type: basic, embedding_size: 4, hidden_size_1: 4, depth_1: 1, depth_2: 0, depth_3: 0, depth_4: 0, projection_hidden: 32, projection_dim: 4}", "train.grain=4"},
	"clip": {"model.config={vocab_size: 300, max_position_embeddings: 12, image_size: 16, patch_size: 8, projection_dim: 4, text_hidden_size: 8, text_num_hidden_layers: 1, text_num_attention_heads: 2, text_intermediate_size: 8, " +
		"vision_hidden_size: 8, vision_num_hidden_layers: 1, vision_num_attention_heads: 2, vision_intermediate_size: 8}", "data.vocab_size=300", "train.sequence_length=12"},
	"clip-mae": {"model.config={vocab_size: 300, max_position_embeddings: 12, image_size: 16, patch_size: 4, projection_dim: 4, text_hidden_size: 8, text_num_hidden_layers: 1, text_num_attention_heads: 2, text_intermediate_size: 8, " +
		"vision_hidden_size: 8, vision_num_hidden_layers: 1, vision_num_attention_heads: 2, vision_intermediate_size: 8, decoder_hidden_size: 8, decoder_num_hidden_layers: 1, decoder_num_attention_heads: 2, decoder_intermediate_size: 8}", "data.vocab_size=300", "train.sequence_length=12"},
	"clip-resnet": {"model.config={vocab_size: 300, max_position_embeddings: 12, image_size: 32, projection_dim: 4, text_hidden_size: 8, text_num_hidden_layers: 1, text_num_attention_heads: 2, text_intermediate_size: 8, " +
		"vision_tower: resnet, vision_hidden_size: 64, vision_num_attention_heads: 2, vision_depth_1: 1, vision_depth_2: 1, vision_depth_3: 1, vision_depth_4: 1}", "data.vocab_size=300", "train.sequence_length=12"},
	"bert-finetune": {"model.config={vocab_size: 300, hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 8, max_position_embeddings: 16, hidden_dropout_prob: 0.1, num_labels: 8}", "train.sequence_length=16"},
	"mae-finetune":  {"model.config={image_size: 16, patch_size: 4, hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 8, decoder_hidden_size: 8, decoder_num_attention_heads: 2, num_labels: 8}"},
	"simclr-probe":  {"model.config={image_size: 16, layer_type: basic, embedding_size: 4, hidden_size_1: 4, depth_1: 1, depth_2: 0, depth_3: 0, depth_4: 0, num_labels: 8}"},
	"dvae":          {"model.config={image_size: 16, codes: 6, width: 4}"},
	"dalle":         {"model.config={text_vocab: 300, codes: 6, text_len: 10, side: 4, n_embd: 8, n_layer: 1, n_head: 2}", "data.vocab_size=300", "train.sequence_length=10"},
}

// Each system trains from its recipe through real processes: the same weights
// from the CPU backend with two threads as in two halves, the first from the
// reference in a process that dies in the second step and another, the second
// with one thread of the CPU backend; and the checkpoint is as good as the run
// said.
func TestEverySystemIsExact(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, writeNumbers(filepath.Join(dir, "data"), 15))
	small := func(name string) []string {
		sets := append([]string{"schedule.warmup_steps=4", "train.batch_size=4", "train.grain=2", "train.eval_every=0", "checkpoint.every=0", "data.validation_fraction=0.2"}, tiny[name]...)
		r, err := recipe.Parse(name, mustFind(t, name).Text, nil)
		require.NoError(t, err)
		if r.Data.Kind == recipe.Shapes {
			sets = append(sets, "data.rows=20", "data.image_size=16")
		} else {
			sets = append(sets, "data.paths=["+strconv.Quote(filepath.Join(dir, "data"))+"]", "data.cache_dir="+filepath.Join(dir, "cache"))
		}
		return sets
	}
	pretrain := func(t *testing.T, name, out string, steps int, more ...string) jsonEvent {
		args := []string{asHost, "pretrain", name, "--json", "--out", out, "--set", "train.steps=" + strconv.Itoa(steps)}
		for _, s := range small(name) {
			args = append(args, "--set", s)
		}
		self, err := os.Executable()
		require.NoError(t, err)
		cmd := exec.Command(self, append(args, more...)...)
		cmd.Env = append(os.Environ(), mortalEnv+"="+out+"-died")
		events := identity{}.run(t, cmd, nil)
		require.NotEmpty(t, events)
		done := events[len(events)-1]
		require.Equal(t, "done", done.Event)
		return done
	}
	system := func(name string, more ...string) func(t *testing.T) {
		return func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			want := pretrain(t, name, filepath.Join(folder, "whole"), 4, append([]string{"--threads", "2"}, more...)...)
			var again struct{ Loss float64 }
			self, err := os.Executable()
			require.NoError(t, err)
			out, err := exec.Command(self, asHost, "evaluate", "--out", filepath.Join(folder, "whole"), "--json").Output()
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(out, &again))
			assert.Equal(t, want.ValLoss, again.Loss, "measured again from the checkpoint")
			halves := filepath.Join(folder, "halves")
			mortal, err := exec.LookPath("mortal")
			require.NoError(t, err)
			pretrain(t, name, halves, 2, append([]string{"--backend", mortal}, more...)...)
			assert.FileExists(t, halves+"-died")
			got := pretrain(t, name, halves, 4, append([]string{"--threads", "1", "--resume"}, more...)...)
			assert.Equal(t, want.WeightsSHA256, got.WeightsSHA256)
			assert.Equal(t, want.ValLoss, got.ValLoss)
		}
	}
	// What begins with a trained model, and which keys say where that is.
	after := map[string][]string{
		"dalle": {"dvae", "data.codes"}, "bert-finetune": {"bert", "model.init", "data.tokenizer"},
		"mae-finetune": {"mae", "model.init"}, "simclr-probe": {"simclr", "model.init"},
	}
	for _, r := range examples.All() {
		if strings.HasSuffix(r.Name, "-paper") {
			continue
		}
		require.Contains(t, tiny, r.Name)
		var more []string
		if x, ok := after[r.Name]; ok {
			first := filepath.Join(dir, x[0])
			if _, err := os.Stat(first); err != nil {
				pretrain(t, x[0], first, 2)
			}
			for _, key := range x[1:] {
				more = append(more, "--set", key+"="+first)
			}
		}
		t.Run(r.Name, system(r.Name, more...))
	}
}

func mustFind(t *testing.T, name string) examples.Recipe {
	r, ok := examples.Find(name)
	require.True(t, ok, name)
	return r
}
