package tokenizer_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/seedbed/seedbed/datasets/tokenizer"
	"github.com/stretchr/testify/require"
)

// small is a trained tokenizer.json, short enough to be changed at random with some hope.
func small(t testing.TB) []byte {
	tok, err := tokenizer.Train(context.Background(), lines([]byte("the cat sat on the mat\nthe dog's 42 naïve toys\n")), tokenizer.TrainOptions{
		VocabSize: 270, SpecialTokens: []string{tokenizer.EndOfText},
	})
	require.NoError(t, err)
	data, err := tok.MarshalJSON()
	require.NoError(t, err)
	return data
}

// smallWords are a WordPiece and a Unigram file.
func smallWords(t testing.TB) []string {
	var files []string
	for _, model := range []string{tokenizer.WordPiece, tokenizer.Unigram} {
		tok, err := tokenizer.Train(context.Background(), lines([]byte("The cat sat on the mat\nthe dog's 42 naïve toys\n")), tokenizer.TrainOptions{
			Model: model, VocabSize: 60,
		})
		require.NoError(t, err)
		data, err := tok.MarshalJSON()
		require.NoError(t, err)
		files = append(files, string(data))
	}
	return files
}

// FuzzParse: whatever Parse takes can be saved, read again as the same, and used on any text.
func FuzzParse(f *testing.F) {
	data := string(small(f))
	f.Add(data, "the cat <|endoftext|> sät")
	f.Add(strings.Replace(data, `"use_regex":true`, `"use_regex":false`, 1), "the cat sat on the mat and the dog's toys, all forty-two of them, again and again")
	f.Add(strings.Replace(data, `"add_prefix_space":false`, `"add_prefix_space":true`, 1), "the")
	f.Add(strings.Replace(data, `"ignore_merges":false`, `"ignore_merges":true`, 1), "the\xff\x00")
	f.Add(strings.Replace(data, `"single_word":false,"lstrip":false,"rstrip":false`, `"single_word":true,"lstrip":true,"rstrip":true`, 1), "a <|endoftext|> b<|endoftext|>")
	f.Add(strings.Replace(data, `"merges":[`, `"merges":[["t","h"],`, 1), "the the")
	f.Add(strings.Replace(data, `"id":0`, `"id":-1`, 1), "")
	f.Add(strings.Replace(data, `"post_processor":{`, `"post_processor":null,"x":{`, 1), "")
	f.Add(`{"model":{"type":"BPE","vocab":{},"merges":[]}}`, "")
	for _, file := range smallWords(f) {
		f.Add(file, "The cat <unk> [MASK] säte\u0301 日本\t'' ﬁ \u200b")
		f.Add(strings.ReplaceAll(file, `"normalized":false`, `"normalized":true`), " [mask] ﬁ<pad>")
		f.Add(strings.Replace(file, `{"type":"NFKC"}`, `{"type":"Sequence","normalizers":[{"type":"NFD"},{"type":"StripAccents"},{"type":"Lowercase"}]}`, 1), "İé")
		f.Add(strings.ReplaceAll(file, `"split":true`, `"split":false`), "a b")
		f.Add(strings.ReplaceAll(file, `"always"`, `"first"`), "<pad>a b")
	}
	f.Add(`{`, "")
	f.Fuzz(func(t *testing.T, file, text string) { checkParse(t, []byte(file), text) })
}

// FuzzParseSections is FuzzParse with the 256 bytes in place, which chance would rarely leave alone.
func FuzzParseSections(f *testing.F) {
	data := string(small(f))
	vocabAt, mergesAt := strings.Index(data, `"vocab":{`)+len(`"vocab":{`), strings.Index(data, `"merges":[`)
	vocabEnd := mergesAt - len(`},`)
	require.Equal(f, `},`, data[vocabEnd:mergesAt])
	bytesEnd := strings.Index(data, `:256`) + len(`:256`)
	f.Add(`{"id":0,"content":"<|endoftext|>","special":true}`, `"th":257,"Ġthe":258,"the":259`, `["t","h"],["th","e"]`, true, true, "the the")
	f.Add(`{"id":257,"content":" a ","lstrip":true,"rstrip":true,"single_word":true},{"id":258,"content":"é!","normalized":true}`, ``, ``, true, false, "b a c é!")
	f.Add(`{"id":69,"content":"e"},{"id":257,"content":"e e"}`, ``, ``, false, true, "e e e e")
	f.Add(``, `"":257,"aa":258,"aaa":259`, `"a a","aa a","a aa"," a"`, true, false, strings.Repeat("a", 100))
	f.Add(``, `"\u0000":257,"\ud800":258,"ĀĀ":259`, `["Ā","Ā"]`, true, true, "\x00")
	f.Fuzz(func(t *testing.T, added, vocab, merges string, regex, prefix bool, text string) {
		if vocab != "" {
			vocab = "," + vocab
		}
		head := data[:vocabAt]
		from := strings.Index(head, `"added_tokens":[`) + len(`"added_tokens":[`)
		to := strings.Index(head, `],"normalizer"`)
		head = head[:from] + added + head[to:]
		if !regex {
			head = strings.Replace(head, `"use_regex":true`, `"use_regex":false`, 1)
		}
		if prefix {
			head = strings.Replace(head, `"add_prefix_space":false`, `"add_prefix_space":true`, 1)
		}
		checkParse(t, []byte(head+data[vocabAt:bytesEnd]+vocab+`},"merges":[`+merges+`]}}`), text)
	})
}

func checkParse(t *testing.T, file []byte, text string) {
	tok, err := tokenizer.Parse(file)
	if err != nil {
		require.NotEmpty(t, err.Error())
		return
	}
	saved, err := tok.MarshalJSON()
	require.NoError(t, err)
	again, err := tokenizer.Parse(saved)
	require.NoError(t, err, "what was saved")
	savedAgain, err := again.MarshalJSON()
	require.NoError(t, err)
	require.Equal(t, string(saved), string(savedAgain))

	ids := tok.NewEncoder().Append(nil, []byte(text))
	require.Equal(t, ids, again.NewEncoder().Append(nil, []byte(text)))
	for _, id := range ids {
		require.Less(t, int(id), tok.Size())
		require.GreaterOrEqual(t, int(id), 0)
	}
	decoded, err := tok.Decode(ids, false)
	require.NoError(t, err)
	if byteLevel := bytes.Contains(saved, []byte(`"type":"BPE"`)); byteLevel && utf8.ValidString(text) {
		require.Equal(t, text, strings.TrimPrefix(decoded, strings.TrimSuffix(decoded, text)), "the document, after a space at most")
		require.LessOrEqual(t, len(decoded), len(text)+1)
	}
	enc, err := tok.Encode(text)
	require.Equal(t, utf8.ValidString(text), err == nil)
	if err == nil {
		require.Len(t, enc.Offsets, len(enc.IDs))
		for _, o := range enc.Offsets {
			require.LessOrEqual(t, 0, o[0])
			require.LessOrEqual(t, o[0], o[1])
			require.LessOrEqual(t, o[1], utf8.RuneCountInString(text))
		}
		_, err = tok.Decode(enc.IDs, true)
		require.NoError(t, err)
	}
}

// FuzzEncode: the text of tokens is the text, and Encode and Encoder.Append agree where no added token is spelled out.
func FuzzEncode(f *testing.F) {
	tok, err := tokenizer.Parse(small(f))
	require.NoError(f, err)
	encoder := tok.NewEncoder()
	f.Add("the cat's  \n\t 42 mats — naïve 日本\u3000語\u0085'll 'LL")
	f.Add("<|endoftext|>")
	f.Add(strings.Repeat("thecat", 40))
	f.Add("\xff\xc3")
	f.Fuzz(func(t *testing.T, text string) {
		ids := encoder.Append(nil, []byte(text))
		bytes := ""
		stream := tok.NewTextStream(false)
		for _, id := range ids {
			piece, err := stream.Next(id)
			require.NoError(t, err)
			bytes += piece
		}
		bytes += stream.Flush()
		decoded, err := tok.Decode(ids, false)
		require.NoError(t, err)
		require.Equal(t, decoded, bytes)
		if !utf8.ValidString(text) {
			_, err := tok.Encode(text)
			require.ErrorContains(t, err, "not UTF-8")
			return
		}
		require.Equal(t, text, decoded)
		enc, err := tok.Encode(text)
		require.NoError(t, err)
		if !strings.Contains(text, tokenizer.EndOfText) {
			require.Equal(t, enc.IDs, append([]int32{}, ids...))
		}
		decoded, err = tok.Decode(enc.IDs, false)
		require.NoError(t, err)
		require.Equal(t, text, decoded)
	})
}
