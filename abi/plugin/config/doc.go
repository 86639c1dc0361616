// Package config reads the configuration of a plugin: a JSON object of known
// fields with defaults and bounds, strictly. A plugin lists its fields once;
// reading, checking and writing all follow that list, and every error is a
// *plugin.ConfigError that names the field and what would be right.
//
// It imports abi/plugin alone. Start reading at Read.
package config
