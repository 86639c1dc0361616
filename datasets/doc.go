// Package datasets defines what the trainer reads: a finite sequence of rows at random addresses (Dataset), and the order in
// which a run visits them (Order), which depends on nothing but a seed and a position. Any sample of any step can therefore be
// asked for alone, in any process, without replaying the run.
//
// The packages below it make datasets: text finds documents, tokenizer turns them into token ids, tokens keeps the ids in a
// cache on disk and serves them as rows; samples reads images, labels and texts from files; shapes draws pictures with captions.
// Package datasets imports Arrow and abi/numerics; the packages below it import this one. None of them imports core.
//
// Start reading at dataset.go, then tokens.Prepare for how text becomes rows and samples.Open for how files do.
package datasets
