/* Answers by a language model when memory runs out. What it says is tested in
 * api/test_answer_model.c. */
#include "agent_fixture.h"

static const char wings[] = "A wing stalls at fifteen degrees. A flap makes it stall later.";

static int32_t say_it(void *user, ragstore_generation *out, const char *messages,
                      uint32_t max_tokens)
{
    static const char text[] = "It stalls at fifteen degrees [1] [9].";
    (void)user;
    (void)messages;
    (void)max_tokens;
    int status = ragstore_generation_write(out, text, 20);
    return status == RAGSTORE_OK ? ragstore_generation_write(out, text + 20, sizeof text - 21)
                                 : status;
}

typedef struct job {
    open_store *s;
    const rsi_agent_question *question;
} job;

static int answer_once(void *user)
{
    const job *j = user;
    rsi_agent_answer answer;
    int status =
        rsi_agent_answer_question(&answer, j->s->store, ACME, j->s->incarnation, j->question, NULL);
    assert_true((status == RAGSTORE_OK) == (answer.text != NULL));
    rsi_agent_answer_free(&answer);
    return status;
}

static void agent_model_answer__survives_each_failing_allocation(void **state)
{
    open_store s;
    const rsi_agent_model model = {say_it, NULL, 100, 1000, 60000};
    const struct rsi_agent_turn turns[] = {{true, "What is a wing?"},
                                           {false, "A thing that lifts."}};
    const rsi_agent_question question = {.message = "When does a wing stall? And with a flap?",
                                         .history = turns,
                                         .history_count = 2,
                                         .k = 8,
                                         .model = &model};
    open_store_begin(&s, state, NULL);
    open_store_add_text(&s, "wings.txt", wings, NULL);
    job j = {&s, &question};
    assert_int_equal(answer_once(&j), 0);
    assert_true(each_allocation_fails(answer_once, &j, 0) > 30);
    open_store_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(agent_model_answer__survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
