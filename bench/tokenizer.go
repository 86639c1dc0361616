package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/seedbed/seedbed/datasets/tokenizer"
	"github.com/spf13/cobra"
)

//go:embed hf_tokenizer.py
var hfTokenizer []byte

// tokenization is how fast both sides train a byte-level BPE on the lines of a text and encode them.
type tokenization struct {
	CPU     string `json:"cpu"`
	Threads int    `json:"threads"`
	Version string `json:"tokenizers"`
	Bytes   int    `json:"bytes"`
	Lines   int    `json:"lines"`
	Vocab   int    `json:"vocab_size"`
	Tokens  int    `json:"tokens"`
	Train   timing `json:"train"`
	Encode  timing `json:"encode"`
}

// timing compares one thing; times are medians over pairs, in seconds.
type timing struct {
	Ratio  float64   `json:"ratio"` // of the peer's time to the project's
	Ratios []float64 `json:"ratios"`
	Peer   float64   `json:"peer_s"`
	Own    float64   `json:"own_s"`
}

func newTokenizerBench() *cobra.Command {
	pairs, threads, vocab, python, asJSON := 5, min(2, runtime.NumCPU()), 8192, "", false
	c := &cobra.Command{
		Use:   "tokenizer FILE...",
		Short: "Train and encode with Hugging Face tokenizers and with the project in turn and print the ratios of their times",
		Long: "Trains a byte-level BPE on the lines of the files and encodes all of them, with Hugging Face tokenizers and with the project in turn. Both must give\n" +
			"the same tokens. A ratio above 1 means that the project is faster. Reading files and starting Python count for neither.",
		Example: "  go run ./bench tokenizer ../shared/data/wikitext2/valid.txt ../shared/data/wikitext2/test.txt",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if pairs < 1 || threads < 1 {
				return fmt.Errorf("%d pairs, %d threads: at least one of each", pairs, threads)
			}
			var text []byte
			for _, path := range args {
				more, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				text = append(text, more...)
			}
			if !utf8.Valid(text) {
				return fmt.Errorf("the files are not UTF-8")
			}
			t, err := runTokenizer(cmd.Context(), text, pairs, threads, vocab, python)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(t)
			}
			fmt.Printf("%d bytes, %d lines, %d tokens of %d, %d threads of %s, tokenizers %s\n", t.Bytes, t.Lines, t.Tokens, t.Vocab, t.Threads, t.CPU, t.Version)
			for what, x := range map[string]timing{"train": t.Train, "encode": t.Encode} {
				fmt.Printf("%-7s tokenizers %.3f s, Seedbed %.3f s: ratio %.2f, from %.2f to %.2f over %d pairs\n", what, x.Peer, x.Own, x.Ratio, slices.Min(x.Ratios), slices.Max(x.Ratios), len(x.Ratios))
			}
			return nil
		},
	}
	f := c.Flags()
	f.IntVar(&pairs, "pairs", pairs, "how often both sides run")
	f.IntVar(&threads, "threads", threads, "threads of each side")
	f.IntVar(&vocab, "vocab-size", vocab, "number of tokens")
	f.StringVar(&python, "python", "", "Python interpreter that has tokenizers; default one in a virtual environment made for it")
	f.BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

func runTokenizer(ctx context.Context, text []byte, pairs, threads, vocab int, python string) (*tokenization, error) {
	python, err := environment(ctx, python)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	script, path, saved := filepath.Join(dir, "hf_tokenizer.py"), filepath.Join(dir, "text"), filepath.Join(dir, "tokenizer.json")
	if err := os.WriteFile(script, hfTokenizer, 0o666); err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, text, 0o666); err != nil {
		return nil, err
	}
	lines := slices.Collect(bytes.Lines(text))
	t := &tokenization{CPU: processorName(), Threads: threads, Bytes: len(text), Lines: len(lines), Vocab: vocab}
	runtime.GOMAXPROCS(threads)
	var peerTrain, peerEncode, ownTrain, ownEncode []float64
	for range pairs {
		cmd := exec.CommandContext(ctx, python, script, path, strconv.Itoa(vocab), saved)
		cmd.Env = append(os.Environ(), "RAYON_NUM_THREADS="+strconv.Itoa(threads), "TOKENIZERS_PARALLELISM=true")
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("tokenizers: %w", err)
		}
		var peer struct {
			Train   float64 `json:"train_s"`
			Encode  float64 `json:"encode_s"`
			Tokens  int     `json:"tokens"`
			SHA256  string  `json:"sha256"`
			Version string  `json:"version"`
		}
		if err := json.Unmarshal(out, &peer); err != nil || !(peer.Train > 0 && peer.Encode > 0) {
			return nil, fmt.Errorf("tokenizers told no times: %s", out)
		}
		begin := time.Now()
		own, err := tokenizer.Train(ctx, func(yield func([]byte, error) bool) {
			for _, l := range lines {
				if !yield(l, nil) {
					return
				}
			}
		}, tokenizer.TrainOptions{VocabSize: vocab, Workers: threads})
		if err != nil {
			return nil, err
		}
		trained := time.Since(begin).Seconds()
		begin = time.Now()
		ids := encodeLines(own, lines, threads)
		encoded := time.Since(begin).Seconds()
		h := sha256.New()
		for _, part := range ids {
			_ = binary.Write(h, binary.LittleEndian, part) // a hash takes all
		}
		if sum := hex.EncodeToString(h.Sum(nil)); sum != peer.SHA256 {
			return nil, fmt.Errorf("the sides give different tokens: %s and %s", sum, peer.SHA256)
		}
		t.Version, t.Tokens = peer.Version, peer.Tokens
		peerTrain, peerEncode = append(peerTrain, peer.Train), append(peerEncode, peer.Encode)
		ownTrain, ownEncode = append(ownTrain, trained), append(ownEncode, encoded)
	}
	t.Train, t.Encode = newTiming(peerTrain, ownTrain), newTiming(peerEncode, ownEncode)
	return t, nil
}

func newTiming(peer, own []float64) timing {
	t := timing{Peer: median(peer), Own: median(own)}
	for i := range peer {
		t.Ratios = append(t.Ratios, peer[i]/own[i])
	}
	t.Ratio = median(t.Ratios)
	return t
}

// encodeLines encodes consecutive parts of the lines on threads of their own.
func encodeLines(t *tokenizer.Tokenizer, lines [][]byte, threads int) [][]int32 {
	out := make([][]int32, threads)
	var all sync.WaitGroup
	for i := range threads {
		all.Go(func() {
			e := t.NewEncoder()
			for _, l := range lines[len(lines)*i/threads : len(lines)*(i+1)/threads] {
				out[i] = e.Append(out[i], l)
			}
		})
	}
	all.Wait()
	return out
}
