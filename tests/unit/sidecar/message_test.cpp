#include "http/message.hpp"

#include <gtest/gtest.h>

namespace npcchat {
namespace {

TEST(ErrorForm, IsOpenAisUnderV1) {
    for (const auto* path : {"/v1", "/v1/", "/v1/models", "/v1/nothing"})
        EXPECT_EQ(error_form(path), ErrorForm::openai) << path;
    for (const auto* path : {"/", "/chat", "/v10", "/x/v1/", ""})
        EXPECT_EQ(error_form(path), ErrorForm::detail) << path;
}

TEST(ErrorResponse, HasTwoForms) {
    const Error error{404, "No \"such\" thing", 0, {}};
    EXPECT_EQ(error_response(error, ErrorForm::detail).body, R"({"detail": "No \"such\" thing"})");
    EXPECT_EQ(
        error_response(error, ErrorForm::openai).body,
        R"({"error": {"message": "No \"such\" thing", "type": "not_found_error", "param": null, "code": null}})");
}

TEST(ErrorResponse, NamesTheFieldThatIsWrong) {
    const auto body_of = [](int status, const char* detail) {
        return error_response(Error{status, detail, 0, {}}, ErrorForm::openai).body;
    };
    EXPECT_NE(body_of(422, "messages[0].role: must be a string").find(R"("param": "messages[0].role")"),
              std::string::npos);
    EXPECT_NE(body_of(422, "The body must be a JSON object").find(R"("param": null)"), std::string::npos);
    EXPECT_NE(body_of(400, "model: x").find(R"("param": null)"), std::string::npos);
}

TEST(ErrorResponse, TypesAreOpenAis) {
    const auto has_type = [](int status, const std::string& type) {
        const auto body = error_response(Error{status, "x", 0, {}}, ErrorForm::openai).body;
        return body.find("\"type\": \"" + type + "\"") != std::string::npos;
    };
    EXPECT_TRUE(has_type(400, "invalid_request_error"));
    EXPECT_TRUE(has_type(401, "authentication_error"));
    EXPECT_TRUE(has_type(403, "permission_error"));
    EXPECT_TRUE(has_type(422, "invalid_request_error"));
    EXPECT_TRUE(has_type(429, "rate_limit_error"));
    EXPECT_TRUE(has_type(502, "server_error"));
}

TEST(ErrorEvent, IsWhatAStreamEndsWith) {
    const Error error{502, "x \"y\"", 0, {}};
    EXPECT_EQ(error_event(error, ErrorForm::detail).body,
              "event: error\ndata: {\"detail\": \"x \\\"y\\\"\", \"status\": 502}\n\n");
    EXPECT_EQ(error_event(error, ErrorForm::openai).body,
              "data: {\"error\": {\"message\": \"x \\\"y\\\"\", \"type\": \"server_error\", \"param\": null, "
              "\"code\": null}}\n\n");
    EXPECT_EQ(error_event(error, ErrorForm::detail).status, 502);
}

} // namespace
} // namespace npcchat
