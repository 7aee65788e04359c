// Package ssm is a Systems Manager Parameter Store in memory: parameters with versions, labels, tiers and
// SecureString values that stay opaque unless decryption is asked for.
package ssm
