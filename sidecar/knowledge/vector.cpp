#include "knowledge/vector.hpp"

#include "base/base64.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <openssl/evp.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace npcchat {
namespace {

constexpr std::size_t kScaleBytes = sizeof(float);
static_assert(std::endian::native == std::endian::little);

std::int32_t product_of_bytes(const std::int8_t* left, const std::int8_t* right, std::size_t size) {
    std::int32_t sum = 0;
    for (std::size_t i = 0; i < size; ++i)
        sum += static_cast<std::int16_t>(left[i]) * static_cast<std::int16_t>(right[i]);
    return sum;
}

#if defined(__x86_64__)
// The same, 32 at a time: an unsigned by a signed byte, whose sums by two have room in 16 bits, because
// quantize() makes no -128.
__attribute__((target("avx2"))) std::int32_t product_by_avx2(const std::int8_t* left,
                                                             const std::int8_t* right, std::size_t size) {
    __m256i sums = _mm256_setzero_si256();
    const __m256i ones = _mm256_set1_epi16(1);
    std::size_t i = 0;
    for (; i + 32 <= size; i += 32) {
        const __m256i one = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(left + i));
        const __m256i other = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(right + i));
        const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(one), _mm256_sign_epi8(other, one));
        sums = _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, ones));
    }
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xB1));
    return _mm_cvtsi128_si32(four) + product_of_bytes(left + i, right + i, size - i);
}
// What the machine that runs this has decides, not what it was built for.
const auto product_of = __builtin_cpu_supports("avx2") ? product_by_avx2 : product_of_bytes;
#else
constexpr auto product_of = product_of_bytes;
#endif

} // namespace

std::optional<Vector> quantize(std::span<const float> values) {
    double squares = 0;
    float largest = 0;
    for (const float value : values) {
        squares += static_cast<double>(value) * value;
        largest = std::max(largest, std::abs(value));
    }
    if (!std::isfinite(squares) || squares <= 0 || largest <= 0) return std::nullopt;
    Vector vector;
    vector.scale = static_cast<float>(largest / 127 / std::sqrt(squares));
    vector.values.reserve(values.size());
    for (const float value : values)
        vector.values.push_back(static_cast<std::int8_t>(std::lround(value / largest * 127)));
    return vector;
}

std::string encode(const Vector& vector) {
    std::vector<unsigned char> bytes(kScaleBytes + vector.values.size());
    std::memcpy(bytes.data(), &vector.scale, kScaleBytes);
    std::memcpy(bytes.data() + kScaleBytes, vector.values.data(), vector.values.size());
    return to_base64(bytes);
}

std::optional<Vector> decode(std::string_view text, std::size_t dimensions) {
    const std::size_t size = kScaleBytes + dimensions;
    if (text.size() != (size + 2) / 3 * 4) return std::nullopt;
    std::vector<unsigned char> bytes(text.size() / 4 * 3);
    const int decoded = EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(text.data()),
                                        static_cast<int>(text.size()));
    if (decoded < static_cast<int>(size)) return std::nullopt;
    Vector vector;
    std::memcpy(&vector.scale, bytes.data(), kScaleBytes);
    vector.values.resize(dimensions);
    std::memcpy(vector.values.data(), bytes.data() + kScaleBytes, dimensions);
    return vector;
}

std::size_t record_bytes(std::size_t dimensions) {
    return kScaleBytes + (dimensions + 3) / 4 * 4;
}

void write_record(const Vector& vector, std::byte* record) {
    std::memcpy(record, &vector.scale, kScaleBytes);
    std::memcpy(record + kScaleBytes, vector.values.data(), vector.values.size());
}

double cosine(const std::byte* left, const std::byte* right, std::size_t dimensions) {
    float one = 0;
    float other = 0;
    std::memcpy(&one, left, kScaleBytes);
    std::memcpy(&other, right, kScaleBytes);
    const auto* values = reinterpret_cast<const std::int8_t*>(left + kScaleBytes);
    const auto* others = reinterpret_cast<const std::int8_t*>(right + kScaleBytes);
    return static_cast<double>(product_of(values, others, dimensions)) * one * other;
}

} // namespace npcchat
