// How many tokens a text has, about.
//
// What the budgets need is a bound that no tokenizer file, and no model, has to be known for. The estimate:
// one token for 4 ASCII bytes, one for 2 other bytes, rounded up.
//
// Its error, against the byte-pair encodings in use: English prose has 4 to 5 bytes a token, so the estimate
// is a little high; Cyrillic, Greek and other two-byte scripts, and Chinese, Japanese and Korean (1.5 a
// character) come out high too, up to twice. Too low are dense texts: digits, code, base64, rare words, by up
// to a factor of two, and single rare symbols. It decides how much history is sent, never what a user is
// billed: a budget keeps a reserve for the answer, which also takes up this error.
#pragma once

#include <cstddef>
#include <string_view>

namespace npcchat {

// 0 for an empty text. Adding texts up never gives less than the estimate of them joined.
std::size_t estimate_tokens(std::string_view text);

// The same in quarters of a token, not rounded: for a text that comes in pieces.
std::size_t estimate_quarters(std::string_view text);
inline constexpr std::size_t kQuartersPerToken = 4;

// Bytes of the longest prefix that is estimated at no more than `tokens` and cuts no UTF-8 character in two.
std::size_t bytes_within(std::string_view text, std::size_t tokens);

} // namespace npcchat
