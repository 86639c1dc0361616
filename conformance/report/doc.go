// Package report is what a run of the suite leaves: counts by suite and by
// unit, failures, skips, the environment and the receipt, as JSON, as JUnit
// XML, as a page of HTML and as a badge.
//
// It imports nothing of Seedbed. Start reading at Report.
package report
