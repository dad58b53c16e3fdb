#include "http/form.hpp"

#include <gtest/gtest.h>
#include <random>
#include <string>
#include <vector>

namespace npcchat {
namespace {

using namespace std::string_literals;

constexpr std::string_view kUrlencoded = "application/x-www-form-urlencoded";
constexpr std::string_view kMultipart = "multipart/form-data; boundary=----abc123";

FormFields parsed(const FormResult& result) {
    EXPECT_TRUE(result.has_value()) << (result ? "" : result.error());
    return result.value_or(FormFields{});
}

std::string part(const std::string& disposition, const std::string& value) {
    return "------abc123\r\nContent-Disposition: form-data; " + disposition + "\r\n\r\n" + value + "\r\n";
}

const std::string kEnd = "------abc123--\r\n";

TEST(Form, ReadsUrlencoded) {
    const FormFields expected = {{"username", "aela"}, {"password", "pa ss&=+ é"}};
    EXPECT_EQ(parsed(parse_form(kUrlencoded, "username=aela&password=pa+ss%26%3D%2b+%C3%a9")), expected);
    EXPECT_EQ(parsed(parse_form("Application/X-WWW-Form-urlencoded ; charset=UTF-8", "a=1")),
              (FormFields{{"a", "1"}}));
}

TEST(Form, ReadsOddButValidUrlencoded) {
    EXPECT_EQ(parsed(parse_form(kUrlencoded, "")), FormFields{});
    EXPECT_EQ(parsed(parse_form(kUrlencoded, "&&a&b=&c=x=y&")),
              (FormFields{{"a", ""}, {"b", ""}, {"c", "x=y"}}));
}

TEST(Form, RefusesMalformedUrlencoded) {
    for (const auto& body : {"a=%"s, "a=%4"s, "a=%zz"s, "%g0=1"s, "a=1&a=2"s, "a=1&%61=2"s, "a=%FF"s,
                             "a=%C3"s, "a=%ED%A0%80"s, "a=%00"s, "a=\xFF"s, "a=\0"s, "%00=a"s}) {
        EXPECT_FALSE(parse_form(kUrlencoded, body).has_value()) << body;
    }
}

TEST(Form, BoundsTheNumberOfFields) {
    std::string body;
    for (std::size_t i = 0; i < kMaxFormFields; ++i)
        body += "f" + std::to_string(i) + "=1&";
    EXPECT_EQ(parsed(parse_form(kUrlencoded, body)).size(), kMaxFormFields);
    EXPECT_FALSE(parse_form(kUrlencoded, body + "more=1").has_value());
}

TEST(Form, ReadsQueries) {
    const FormFields fields = parsed(parse_query("chat_id=Save_1-B&limit=20"));
    ASSERT_NE(find_field(fields, "chat_id"), nullptr);
    EXPECT_EQ(*find_field(fields, "chat_id"), "Save_1-B");
    EXPECT_EQ(find_field(fields, "after"), nullptr);
    EXPECT_FALSE(parse_query("chat_id=%").has_value());
}

TEST(Form, ReadsMultipart) {
    const std::string body = part("name=\"username\"", "aela") +
                             part("name=\"password\"", "a\r\nb--=&%41+é") + part("name=\"empty\"", "") + kEnd;
    const FormFields expected = {{"username", "aela"}, {"password", "a\r\nb--=&%41+é"}, {"empty", ""}};
    EXPECT_EQ(parsed(parse_form(kMultipart, body)), expected);
    EXPECT_EQ(parsed(parse_form("Multipart/Form-Data; charset=utf-8; Boundary=\"----abc123\"", body)),
              expected);
    EXPECT_EQ(parsed(parse_form(kMultipart, "preamble\r\n" + body + "epilogue")), expected);
}

TEST(Form, ReadsOtherPartHeaders) {
    const std::string body = "------abc123  \r\ncontent-type: text/plain; charset=utf-8\r\n"
                             "Content-Transfer-Encoding: 8BIT\r\n"
                             "CONTENT-DISPOSITION: form-data ; name = \"a\\\"b\\\\c\" ; x=y\r\n\r\nv\r\n" +
                             kEnd;
    EXPECT_EQ(parsed(parse_form(kMultipart, body)), (FormFields{{"a\"b\\c", "v"}}));
}

TEST(Form, ReadsEmptyMultipart) {
    EXPECT_EQ(parsed(parse_form(kMultipart, kEnd)), FormFields{});
}

TEST(Form, RefusesMalformedMultipart) {
    const std::string good = part("name=\"a\"", "1");
    const std::vector<std::string> bodies = {
        "",
        "no delimiter",
        good,
        part("name=\"a\"", "1") + part("name=\"a\"", "2") + kEnd,
        part("name=\"a\"; filename=\"x.txt\"", "1") + kEnd,
        part("name=\"a\"; filename*=utf-8''x", "1") + kEnd,
        part("nome=\"a\"", "1") + kEnd,
        part("name=\"a", "1") + kEnd,
        part("name=\"a\" junk", "1") + kEnd,
        part("name=\"a\"; name=\"b\"", "1") + kEnd,
        part("name=\"a\"", "\xFF") + kEnd,
        part("name=\"a\"", "\0"s) + kEnd,
        part("name=\"\xFF\"", "1") + kEnd,
        "------abc123\r\n\r\n1\r\n" + kEnd,
        "------abc123\r\nno colon\r\n\r\n1\r\n" + kEnd,
        "------abc123\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\n1\r\n" + kEnd,
        "------abc123\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Transfer-Encoding: "
        "base64\r\n\r\n"
        "MQ==\r\n" +
            kEnd,
        "------abc123junk\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n" + kEnd,
        "------abc123\nContent-Disposition: form-data; name=\"a\"\n\n1\n------abc123--\n",
    };
    for (const std::string& body : bodies)
        EXPECT_FALSE(parse_form(kMultipart, body).has_value()) << body;

    std::string many;
    for (std::size_t i = 0; i <= kMaxFormFields; ++i)
        many += part("name=\"f" + std::to_string(i) + "\"", "1");
    EXPECT_FALSE(parse_form(kMultipart, many + kEnd).has_value());
    std::string parameters = "name=\"a\"";
    for (int i = 0; i < 20; ++i)
        parameters += "; p" + std::to_string(i) + "=1";
    EXPECT_FALSE(parse_form(kMultipart, part(parameters, "1") + kEnd).has_value());
}

TEST(Form, RefusesOtherContentTypes) {
    const std::string body = part("name=\"a\"", "1") + kEnd;
    for (const auto& type :
         {""s, "application/json"s, "multipart/form-data"s, "multipart/form-data; boundary="s,
          "multipart/form-data; boundary=\"a"s, "multipart/mixed; boundary=----abc123"s,
          "multipart/form-data; boundary=" + std::string(71, 'a'),
          "multipart/form-data; boundary=a; boundary=----abc123"s}) {
        EXPECT_FALSE(parse_form(type, body).has_value()) << type;
    }
    EXPECT_TRUE(is_form("application/x-www-form-urlencoded"));
    EXPECT_TRUE(is_form("MULTIPART/form-data;boundary=x"));
    EXPECT_FALSE(is_form("application/json"));
    EXPECT_FALSE(is_form("application/x-www-form-urlencodedx"));
    EXPECT_FALSE(is_form(""));
}

TEST(Form, EveryPrefixOfAMultipartBodyIsRefusedWithoutHarm) {
    const std::string body = part("name=\"a\"", "1") + part("name=\"b\"", "2") + kEnd;
    for (std::size_t size = 0; size + 2 < body.size(); ++size) {
        EXPECT_FALSE(parse_form(kMultipart, body.substr(0, size)).has_value()) << size;
    }
}

TEST(Form, DecodesWhatWasEncoded) {
    std::mt19937 random(11);
    for (int round = 0; round < 2000; ++round) {
        std::string value, encoded;
        for (std::size_t i = random() % 20; i > 0; --i)
            value.push_back(static_cast<char>(1 + random() % 127));
        for (const char c : value) {
            constexpr std::string_view digits = "0123456789aBcDeF";
            const auto byte = static_cast<unsigned char>(c);
            encoded += {'%', digits[byte / 16], digits[byte % 16]};
        }
        ASSERT_EQ(parsed(parse_form(kUrlencoded, "v=" + encoded)), (FormFields{{"v", value}}));
        if (value.find("\r\n--") != std::string::npos) continue;
        ASSERT_EQ(parsed(parse_form(kMultipart, part("name=\"v\"", value) + kEnd)),
                  (FormFields{{"v", value}}));
    }
}

} // namespace
} // namespace npcchat
