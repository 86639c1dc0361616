// Package tokens turns text into the rows that a language model trains on, and keeps them: a cache folder holds, for each corpus
// and tokenizer, the token ids of a training and a validation split as Arrow IPC files. Prepare is the one call: from paths to a
// Corpus, made or found.
//
// It imports the packages datasets, text and tokenizer, and Arrow.
//
// Start reading at prepare.go, then split.go (which document goes where), cache.go (the folder and its manifest), write.go and
// stream.go (the files), rows.go (from a stream of tokens to rows) and baseline.go (what a model has to beat). captions.go is apart
// from these: it turns the texts of another dataset, such as captions of images, into tokens.
package tokens
