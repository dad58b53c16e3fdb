#include "http/router.hpp"

#include <array>
#include <gtest/gtest.h>
#include <string>

namespace npcchat {
namespace {

using namespace std::string_literals;
using Params = std::vector<std::string>;

constexpr std::array kRoutes = {
    Route{"GET", "/npcs", Access::key, nullptr},
    Route{"POST", "/npcs", Access::key, nullptr},
    Route{"GET", "/npcs/{id}", Access::key, nullptr},
    Route{"PUT", "/npcs/{id}", Access::key, nullptr},
    Route{"DELETE", "/npcs/{id}", Access::admin, nullptr},
    Route{"GET", "/chat/{user}/{chat_id}/history", Access::admin, nullptr},
    Route{"POST", "/signup", Access::open, nullptr},
    Route{"GET", "/healthz", Access::open, nullptr},
    Route{"GET", "/v1/models", Access::key, nullptr},
    Route{"GET", "/v1/models/{+model}", Access::key, nullptr},
};

class Router : public testing::Test {
  protected:
    Result<const Route*> ask(std::string_view method, std::string_view path) {
        request.method = method;
        request.path = path;
        request.params.clear();
        return find_route(kRoutes, request);
    }

    std::string pattern(std::string_view method, std::string_view path) {
        const auto route = ask(method, path);
        return route ? std::string((*route)->pattern) : std::to_string(route.error().status);
    }

    void log_in(bool as_admin) { request.identity = Identity{as_admin ? 0 : 1, "somebody", as_admin}; }

    Request request;
};

TEST_F(Router, FindsRoutes) {
    log_in(true);
    EXPECT_EQ(pattern("GET", "/npcs"), "/npcs");
    EXPECT_EQ(request.params, Params{});
    EXPECT_EQ(pattern("GET", "/npcs/1"), "/npcs/{id}");
    EXPECT_EQ(request.params, Params{"1"});
    EXPECT_EQ(pattern("GET", "/chat/-/Save_1/history"), "/chat/{user}/{chat_id}/history");
    EXPECT_EQ(request.params, (Params{"-", "Save_1"}));
    EXPECT_EQ((*ask("DELETE", "/npcs/1"))->method, "DELETE");
}

TEST_F(Router, NamesOfModelsHaveSlashes) {
    log_in(false);
    for (const auto* path : {"/v1/models/npc/7", "/v1/models/npc%2F7", "/v1/models/npc%2f7/"}) {
        EXPECT_EQ(pattern("GET", path), "/v1/models/{+model}");
        EXPECT_EQ(request.params, Params{"npc/7"}) << path;
    }
    EXPECT_EQ(pattern("GET", "/v1/models/a%252Fb%3A8b"), "/v1/models/{+model}");
    EXPECT_EQ(request.params, Params{"a%2Fb:8b"});
    EXPECT_EQ(pattern("GET", "/v1/models/a/b/c"), "/v1/models/{+model}");
    EXPECT_EQ(request.params, Params{"a/b/c"});
    EXPECT_EQ(pattern("GET", "/v1/models"), "/v1/models");
    EXPECT_EQ(pattern("GET", "/v1/models/"), "/v1/models");
    EXPECT_EQ(pattern("POST", "/v1/models/a%2Fb"), "405");
    EXPECT_EQ(pattern("GET", "/v1/models/..%2Fb"), "404");
    EXPECT_EQ(pattern("GET", "/npcs/a%2Fb"), "404");
}

TEST_F(Router, ATrailingSlashIsOptional) {
    log_in(false);
    EXPECT_EQ(pattern("POST", "/signup"), "/signup");
    EXPECT_EQ(pattern("POST", "/signup/"), "/signup");
    EXPECT_EQ(pattern("GET", "/npcs/"), "/npcs");
    EXPECT_EQ(pattern("GET", "/npcs/1/"), "/npcs/{id}");
    EXPECT_EQ(request.params, Params{"1"});
}

TEST_F(Router, HeadIsAnsweredAsGet) {
    log_in(false);
    const auto route = ask("HEAD", "/npcs/1");
    ASSERT_TRUE(route.has_value());
    EXPECT_EQ((*route)->method, "GET");
    EXPECT_EQ(ask("HEAD", "/signup").error().status, 405);
}

TEST_F(Router, DecodesParams) {
    log_in(true);
    EXPECT_EQ(pattern("GET", "/npcs/%C3%A9%20a"), "/npcs/{id}");
    EXPECT_EQ(request.params, Params{"\u00e9 a"});
    EXPECT_EQ(pattern("GET", "/npcs/a+b%2Bc%25"), "/npcs/{id}");
    EXPECT_EQ(request.params, Params{"a+b+c%"});
}

TEST_F(Router, KnowsNoOtherPaths) {
    log_in(true);
    for (const auto& path : {"/"s, "/npc"s, "/npcs2"s, "/NPCS"s, "/npcs/1/2"s, "/chat/a/history"s,
                             "/chat//b/history"s, "/chat/a/b/history/c"s, "/healthz/x"s, "/{id}"s})
        EXPECT_EQ(pattern("GET", path), "404") << path;
}

TEST_F(Router, PathsHaveOneSpelling) {
    log_in(true);
    for (const auto& path : {""s,
                             "npcs"s,
                             "//npcs"s,
                             "/npcs//"s,
                             "/npcs//1"s,
                             "/./npcs"s,
                             "/npcs/."s,
                             "/npcs/.."s,
                             "/npcs/../healthz"s,
                             "/%6Epcs"s,
                             "/npcs%2F1"s,
                             "/npcs/%2e"s,
                             "/npcs/%2E%2E"s,
                             "/npcs/%"s,
                             "/npcs/%4"s,
                             "/npcs/%zz"s,
                             "/npcs/%00"s,
                             "/npcs/a%5Cb"s,
                             "/npcs/%41"s,
                             "/npcs?x"s,
                             "/npcs#x"s,
                             "http://host/npcs"s,
                             "*"s})
        EXPECT_EQ(pattern("GET", path), "404") << path;
}

TEST_F(Router, SaysWhatIsAllowed) {
    log_in(true);
    const auto npc = ask("POST", "/npcs/1");
    ASSERT_FALSE(npc.has_value());
    EXPECT_EQ(npc.error().status, 405);
    EXPECT_EQ(npc.error().allow, "GET, HEAD, PUT, DELETE");
    EXPECT_EQ(ask("PATCH", "/npcs/").error().allow, "GET, HEAD, POST");
    EXPECT_EQ(ask("GET", "/signup").error().allow, "POST");
    EXPECT_EQ(ask("OPTIONS", "/healthz").error().allow, "GET, HEAD");
    EXPECT_EQ(ask("get", "/healthz").error().status, 405);
    EXPECT_EQ(ask("", "/healthz").error().status, 405);
}

TEST_F(Router, WantsAKey) {
    const auto refused = ask("GET", "/npcs");
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().status, 401);
    const Response response = error_response(refused.error(), ErrorForm::detail);
    ASSERT_EQ(response.headers.size(), 1U);
    EXPECT_EQ(response.headers[0].first, "WWW-Authenticate");
    EXPECT_EQ(response.headers[0].second, "Bearer");
    EXPECT_EQ(pattern("POST", "/signup"), "/signup");
    log_in(false);
    EXPECT_EQ(pattern("GET", "/npcs"), "/npcs");
}

TEST_F(Router, WantsTheAdminsKey) {
    EXPECT_EQ(pattern("DELETE", "/npcs/1"), "401");
    log_in(false);
    EXPECT_EQ(pattern("DELETE", "/npcs/1"), "403");
    EXPECT_EQ(pattern("GET", "/chat/a/b/history"), "403");
    log_in(true);
    EXPECT_EQ(pattern("DELETE", "/npcs/1"), "/npcs/{id}");
    EXPECT_EQ(pattern("GET", "/npcs"), "/npcs");
}

TEST_F(Router, UnknownPathsAndMethodsNeedNoKey) {
    EXPECT_EQ(pattern("GET", "/nowhere"), "404");
    EXPECT_EQ(pattern("PATCH", "/npcs/1"), "405");
}

TEST(ErrorResponse, CarriesItsHeaders) {
    const Response busy = error_response(Error{503, "Busy", 7, {}}, ErrorForm::detail);
    EXPECT_EQ(busy.status, 503);
    EXPECT_EQ(busy.body, R"({"detail": "Busy"})");
    EXPECT_EQ(busy.content_type, "application/json");
    ASSERT_EQ(busy.headers.size(), 1U);
    EXPECT_EQ(busy.headers[0], (std::pair<std::string_view, std::string>("Retry-After", "7")));
    const Response method =
        error_response(Error{405, "Method Not Allowed", 0, "GET, HEAD"}, ErrorForm::detail);
    ASSERT_EQ(method.headers.size(), 1U);
    EXPECT_EQ(method.headers[0], (std::pair<std::string_view, std::string>("Allow", "GET, HEAD")));
}

TEST(QueryField, IsDecoded) {
    Request request;
    request.query = "chat_id=a%20b&limit=20&empty=";
    EXPECT_EQ(query_field(request, "chat_id").value(), "a b");
    EXPECT_EQ(query_field(request, "empty").value(), "");
    EXPECT_EQ(query_field(request, "missing").value(), std::nullopt);
    request.query = "chat_id=%";
    EXPECT_EQ(query_field(request, "limit").error().status, 400);
}

TEST(ReasonPhrase, IsKnown) {
    EXPECT_EQ(reason_phrase(200), "OK");
    EXPECT_EQ(reason_phrase(422), "Unprocessable Entity");
    EXPECT_EQ(reason_phrase(429), "Too Many Requests");
    EXPECT_FALSE(reason_phrase(599).empty());
}

} // namespace
} // namespace npcchat
